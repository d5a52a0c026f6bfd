/** Opens what was written as a user would, and compares it with the model it was made from. */
import type { Engine } from '../engine/engine.ts';
import { openOnnxFile, type OnnxFile } from '../engine/onnx/file.ts';
import { compileEncoder } from '../evaluation/evaluate.ts';
import { AppError } from '../lib/errors.ts';
import { normals, randomStream } from '../lib/random.ts';
import { elementCount, type Tensor } from '../lib/tensor.ts';
import { logits } from '../models/head.ts';
import type { MergedModel } from '../models/merged-model.ts';
import { imageShape } from '../models/vit.ts';
import type { ExportFolder } from './folder.ts';
import { loadExported } from './load.ts';
import { declaredShapes, logitsName, onnxFile } from './onnx.ts';
import type { Prepared } from './prepare.ts';
import { expertOf, type ExportSource } from './source.ts';

/** One thing that was checked on the finished files. */
export interface Check {
  readonly what: string;
  /** Largest absolute difference relative to the largest absolute value. */
  readonly difference?: number;
  readonly tolerance?: number;
}

/** Results of the source model by output name: `features`, `routing`, `logits/<task>`. */
export type Outputs = ReadonlyMap<string, Tensor>;

/** Standard-normal noise, where no images are given: it drives every weight of the model. */
export function noiseImages(model: MergedModel, count = 3): Tensor {
  const shape = imageShape(model.config, count);
  return { shape, data: normals(randomStream('verification images'), elementCount(shape), 1) };
}

interface ComparedModel extends Pick<ExportSource, 'model' | 'values'> {
  /** Names of the experts, for models that need to know the task. */
  readonly experts?: readonly string[];
}

/** What `model` says about `images`, every image routed on its own; logits as if the images were of that task. */
export async function modelOutputs(
  engine: Engine,
  { model, values, experts = [] }: ComparedModel,
  tasks: readonly Pick<ExportSource['tasks'][number], 'head'>[],
  images: Tensor,
): Promise<Outputs> {
  const options = { batch: Math.max(2, images.shape[0] ?? 0), reduction: 'per-sample' } as const;
  const encoder = await compileEncoder(engine, model, values, options);
  try {
    const { features, routing } = await encoder.encode(images);
    const outputs = new Map([['features', features]]);
    if (routing.length > 0) outputs.set('routing', stack(routing));
    const count = features.shape[0] ?? 0;
    for (const { head } of tasks) {
      const owners = Array.from({ length: count }, () => expertOf(experts, head.task));
      const known = model.byTask && (await encoder.encode(images, owners)).features;
      const shape = [count, head.weight.shape[0] ?? 0];
      outputs.set(logitsName(head.task), { shape, data: logits(head, known ?? features) });
    }
    return outputs;
  } finally {
    await encoder.dispose();
  }
}

/** λ [n, K] by layer as [n, layers, K]. */
function stack(routing: readonly Tensor[]): Tensor {
  const [count = 0, experts = 0] = routing[0]?.shape ?? [];
  const data = new Float32Array(count * routing.length * experts);
  routing.forEach((lambdas, layer) => {
    for (let row = 0; row < count; row++) {
      const start = (row * routing.length + layer) * experts;
      data.set(lambdas.data.subarray(row * experts, (row + 1) * experts), start);
    }
  });
  return { shape: [count, routing.length, experts], data };
}

/** Throws `export.verify_failed` unless every output is there, finite and within the tolerance. */
function compare(found: Outputs, expected: Outputs, tolerance: number, file: string): Check[] {
  return [...expected].map(([name, wanted]) => {
    const tensor = found.get(name);
    if (tensor?.shape.join() !== wanted.shape.join()) {
      const shape = tensor === undefined ? 'missing' : `[${tensor.shape.join(', ')}]`;
      throw failed(file, `"${name}" is ${shape}, must be [${wanted.shape.join(', ')}]`);
    }
    const difference = relativeDifference(tensor.data, wanted.data);
    // Written so that NaN does not pass.
    if (!(difference <= tolerance)) {
      const limit = `more than ${String(tolerance)}`;
      throw failed(
        file,
        `"${name}" differs from the source model by ${String(difference)}, ${limit}`,
      );
    }
    return { what: `${name} equal those of the source model`, difference, tolerance };
  });
}

function relativeDifference(found: Float32Array, wanted: Float32Array): number {
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < wanted.length; i++) {
    const gap = Math.abs(found[i]! - wanted[i]!);
    if (Number.isNaN(gap)) return NaN;
    difference = Math.max(difference, gap);
    largest = Math.max(largest, Math.abs(wanted[i]!));
  }
  return difference === 0 ? 0 : difference / largest;
}

function failed(where: string, what: string, cause?: unknown): AppError {
  return new AppError('export.verify_failed', {
    what,
    where,
    hint: 'export again; if it fails again, report it with the recipe; nothing was exported',
    cause,
  });
}

export interface Verification {
  readonly engine: Engine;
  readonly images: Tensor;
  readonly expected: Outputs;
  readonly tolerance: number;
}

/** The folder read by our own reader, run on the engine that ran the source. */
export async function verifySafetensors(
  folder: ExportFolder,
  { engine, images, expected, tolerance }: Verification,
): Promise<Check[]> {
  const loaded = await loadExported(folder.path);
  const found = await modelOutputs(engine, loaded, loaded.tasks, images);
  return compare(found, expected, tolerance, folder.path);
}

/** The file run by ONNX Runtime alone: signature, outputs, and that images do not affect each other. */
export async function verifyOnnx(
  folder: ExportFolder,
  prepared: Prepared,
  { engine, images, expected, tolerance }: Verification,
): Promise<Check[]> {
  const path = folder.file(onnxFile);
  let file: OnnxFile;
  try {
    file = await openOnnxFile(path, { threads: engine.description.threads });
  } catch (cause) {
    throw failed(path, 'ONNX Runtime does not open the file', cause);
  }
  try {
    const signature = checkSignature(file, prepared, path);
    const checks = compare(await file.run({ images }), expected, tolerance, path);
    const alone = await file.run({ images: firstRows(images) });
    const first = new Map([...expected].map(([name, tensor]) => [name, firstRows(tensor)]));
    const single = compare(alone, first, tolerance, path);
    const what = 'one image alone gives what it gives among others';
    const difference = Math.max(...single.map((check) => check.difference ?? 0));
    return [signature, ...checks, { what, difference, tolerance }];
  } finally {
    await file.dispose();
  }
}

function firstRows({ shape, data }: Tensor): Tensor {
  const size = elementCount(shape.slice(1));
  return { shape: [1, ...shape.slice(1)], data: data.slice(0, size) };
}

function checkSignature(file: OnnxFile, prepared: Prepared, path: string): Check {
  const text = (entries: Iterable<readonly [string, readonly (number | string)[]]>) =>
    [...entries].map(([name, shape]) => `${name} [${shape.join(', ')}]`).join('; ');
  const declared = [...file.inputs, ...file.outputs].map(
    ({ name, shape }) => [name, shape] as const,
  );
  const wanted = text(declaredShapes(prepared));
  if (text(declared) === wanted) return { what: `inputs and outputs are ${wanted}` };
  throw failed(path, `the file declares ${text(declared)}, must be ${wanted}`);
}
