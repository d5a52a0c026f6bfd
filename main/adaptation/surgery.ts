/**
 * Representation Surgery (Yang et al., ICML 2024, arXiv 2402.02705): the features f of a merged model are biased away
 * from those of the experts, so every task gets a small module that takes the bias away,
 *   f̂ = f − Up_k ReLU(Down_k f), Down_k [r, e], Up_k [e, r],
 * trained on unlabelled images of the task to make |f̂ − f_k| small, f_k the features of the task's own expert. The
 * merged encoder stays as it is. A module belongs to a task, so whose task an image is of must be known in use too.
 * Difference: Up starts at 0, so that the start is the merge; the authors' code leaves both to PyTorch's initialisation.
 */
import type { Builder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/program.ts';
import { randomStream } from '../lib/random.ts';
import { elementCount, type Tensor, type TensorMap } from '../lib/tensor.ts';
import { staticModel, type MergedModel, type TaskFeatures } from '../models/merged-model.ts';
import { featureSize, type VisionConfig } from '../models/vision-config.ts';
import { parameterCount, visionTensors } from '../models/vit.ts';
import { tensorNamed, type ExpertSet } from './dictionary.ts';
import { sumOf, type ModelSizes } from './sizes.ts';

export interface SurgeryShape {
  readonly experts: number;
  readonly rank: number;
}

/** The modules of all experts in one: rows of Down and columns of Up k·r … (k + 1)·r are those of expert k. */
const down = 'surgery.down';
const up = 'surgery.up';

/** The merged model, whatever made it. */
export function* surgeryConstants({
  config,
  merged,
}: ExpertSet): Generator<readonly [name: string, tensor: Tensor]> {
  if (merged === undefined) throw new Error('surgery goes on from a merge');
  for (const name of visionTensors(config).keys()) yield [name, tensorNamed(merged, name)];
}

export function createSurgery(
  config: VisionConfig,
  shape: SurgeryShape,
  seed: number,
  constants: TensorMap,
): MergedModel {
  const initial = new Map([
    [down, initialDown(config, shape, seed)],
    [up, new Float32Array(elementCount(tensorsOf(config, shape).get(up) ?? []))],
  ]);
  return {
    ...staticModel({ config, weights: constants }),
    trainables: [...tensorsOf(config, shape)].map(([name, size]) => ({
      name,
      shape: size,
      initial: initial.get(name) ?? new Float32Array(),
    })),
    byTask: surgeryFeatures(config, shape),
  };
}

/** U(−1/√e, 1/√e), as PyTorch fills a linear layer; a task's numbers depend on its place alone. */
function initialDown(
  config: VisionConfig,
  { experts, rank }: SurgeryShape,
  seed: number,
): Float32Array {
  const width = featureSize(config);
  const bound = 1 / Math.sqrt(width);
  const data = new Float32Array(experts * rank * width);
  for (let k = 0; k < experts; k++) {
    const random = randomStream(seed, 'surgery', k);
    const rows = data.subarray(k * rank * width, (k + 1) * rank * width);
    rows.forEach((_, i) => (rows[i] = bound * (2 * random() - 1)));
  }
  return data;
}

function tensorsOf(config: VisionConfig, { experts, rank }: SurgeryShape): Map<string, Shape> {
  const width = featureSize(config);
  return new Map([
    [down, [experts * rank, width]],
    [up, [width, experts * rank]],
  ]);
}

/** f̂ of all images in two products: what belongs to other tasks than an image's own is 0 between them. */
function surgeryFeatures(config: VisionConfig, shape: SurgeryShape): TaskFeatures {
  const { experts, rank } = shape;
  const tensors = tensorsOf(config, shape);
  return {
    experts,
    apply: (g: Builder, features: Value, own: Value) => {
      const input = (name: string) => g.input(name, tensors.get(name) ?? []);
      const hidden = g.unary('relu', g.matmul(features, input(down), { transposeRight: true }));
      const chosen = g.mul(g.reshape(own, [-1, experts, 1]), g.fill(1, [1, experts, rank]));
      const kept = g.mul(hidden, g.reshape(chosen, [-1, experts * rank]));
      return g.sub(features, g.matmul(kept, input(up), { transposeRight: true }));
    },
  };
}

/** Down [r, e] and Up [e, r] of one task. */
export interface SurgeryModule {
  readonly down: Tensor;
  readonly up: Tensor;
}

/** The modules of the experts in turn, from the values of all. */
export function splitModules(values: TensorMap, experts: number): SurgeryModule[] {
  const all = { down: tensorNamed(values, down), up: tensorNamed(values, up) };
  const [rows = 0, width = 0] = all.down.shape;
  const rank = rows / experts;
  return Array.from({ length: experts }, (_, k) => {
    const columns = new Float32Array(width * rank);
    for (let row = 0; row < width; row++) {
      const start = row * rows + k * rank;
      columns.set(all.up.data.subarray(start, start + rank), row * rank);
    }
    const own = all.down.data.slice(k * rank * width, (k + 1) * rank * width);
    return {
      down: { shape: [rank, width], data: own },
      up: { shape: [width, rank], data: columns },
    };
  });
}

/** The values of all modules: the inverse of `splitModules`. */
export function joinModules(modules: readonly SurgeryModule[]): Map<string, Tensor> {
  const [rank = 0, width = 0] = modules[0]?.down.shape ?? [];
  const rows = modules.length * rank;
  const joined = { down: new Float32Array(rows * width), up: new Float32Array(rows * width) };
  modules.forEach((each, k) => {
    joined.down.set(each.down.data, k * rank * width);
    for (let row = 0; row < width; row++) {
      joined.up.set(each.up.data.subarray(row * rank, (row + 1) * rank), row * rows + k * rank);
    }
  });
  return new Map([
    [down, { shape: [rows, width], data: joined.down }],
    [up, { shape: [width, rows], data: joined.up }],
  ]);
}

/** A merge with modules that have been trained. */
export function assembleSurgery(
  config: VisionConfig,
  weights: TensorMap,
  modules: readonly SurgeryModule[],
): { readonly model: MergedModel; readonly values: ReadonlyMap<string, Tensor> } {
  const values = joinModules(modules);
  const rank = modules[0]?.down.shape[0] ?? 0;
  const trainables = [...values].map(([name, { shape, data }]) => ({ name, shape, initial: data }));
  const byTask = surgeryFeatures(config, { experts: modules.length, rank });
  return { model: { ...staticModel({ config, weights }), trainables, byTask }, values };
}

export function surgerySizes(config: VisionConfig, shape: SurgeryShape): ModelSizes {
  const trainable = sumOf(tensorsOf(config, shape));
  const total = parameterCount(config) + trainable;
  return { trainable, total, dictionary: 0, kept: 0, factors: 0, passes: 1, frozen: true };
}
