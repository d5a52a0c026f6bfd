/**
 * Task vectors τk = θk − θ0 measured: how far each expert is from the base, where, and how alike the
 * experts' changes are. One streaming pass; differences and sums in fp64.
 */
import type { Checkpoint } from '../checkpoints/checkpoint.ts';
import { findNonFinite } from '../checkpoints/half.ts';
import { breather } from '../lib/breath.ts';
import { throwIfCancelled } from '../lib/errors.ts';
import { elementCount } from '../lib/tensor.ts';
import { layerPrefix, visionTensors } from '../models/vit.ts';
import { BLOCK } from './blocks.ts';
import { checkCompatible, type MergeWarning } from './compatibility.ts';

/** Norms of one tensor, layer or model; `experts` holds ‖τk‖ in the order of the experts. */
export interface TaskVectorNorms {
  readonly name: string;
  readonly parameterCount: number;
  /** ‖θ0‖ */
  readonly base: number;
  readonly experts: readonly number[];
}

export interface TaskVectorReport {
  readonly tensors: readonly TaskVectorNorms[];
  /** `embeddings`, the blocks `0`, `1`, …, and `output`. */
  readonly layers: readonly TaskVectorNorms[];
  readonly whole: TaskVectorNorms;
  /** Cosine similarity of the whole task vectors; 0 where one of them is zero. */
  readonly cosines: readonly (readonly number[])[];
  /** In a person's words; includes those of `checkCompatible`. */
  readonly warnings: readonly MergeWarning[];
}

export interface TaskVectorOptions {
  readonly onProgress?:
    ((progress: { tensor: string; index: number; total: number }) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A different pre-training moves every weight about as far as its size; fine-tuning moves it a little. */
const FAR_FROM_BASE = 1;

/**
 * Reads all models once. Values that are NaN or infinite are reported, and counted as no change.
 * Throws what `checkCompatible` and the readers throw, and CancelledError.
 */
export async function measureTaskVectors(
  base: Checkpoint,
  experts: readonly Checkpoint[],
  { onProgress, signal }: TaskVectorOptions = {},
): Promise<TaskVectorReport> {
  const { config, warnings: structural } = checkCompatible(base, experts);
  const shapes = visionTensors(config);
  const models = [base, ...experts];
  const tensors: [layer: string, sums: Products][] = [];
  const nonFinite = new Map<string, string[]>();
  const breathe = breather();
  for (const [name, shape] of shapes) {
    throwIfCancelled(signal);
    const values: Float32Array[] = [];
    for (const model of models) {
      const { data } = await model.read(name);
      if (findNonFinite(data).count > 0) {
        nonFinite.set(model.path, [...(nonFinite.get(model.path) ?? []), name]);
      }
      values.push(data);
    }
    const products = new Products(name, experts.length);
    await products.addTensor(elementCount(shape), values, breathe);
    tensors.push([layerOf(name, config.layerCount), products]);
    onProgress?.({ tensor: name, index: tensors.length, total: shapes.size });
  }
  const whole = new Products('whole', experts.length);
  const layers = new Map<string, Products>();
  for (const [layer, products] of tensors) {
    const sum = layers.get(layer) ?? new Products(layer, experts.length);
    layers.set(layer, sum);
    sum.add(products);
    whole.add(products);
  }
  return {
    tensors: tensors.map(([, products]) => products.norms()),
    layers: [...layers.values()].map((products) => products.norms()),
    whole: whole.norms(),
    cosines: whole.cosines(),
    warnings: [...structural, ...nonFiniteWarnings(nonFinite), ...distanceWarnings(whole, experts)],
  };
}

function layerOf(tensor: string, layerCount: number): string {
  for (let layer = 0; layer < layerCount; layer++) {
    if (tensor.startsWith(`${layerPrefix(layer)}.`)) return String(layer);
  }
  return /\.post_layernorm\.|^visual_projection\./.test(tensor) ? 'output' : 'embeddings';
}

/** ⟨θ0, θ0⟩ and ⟨τj, τk⟩ of some tensors. */
class Products {
  readonly name: string;
  parameterCount = 0;
  base = 0;
  readonly count: number;
  /** Row-major [K, K], both triangles. */
  readonly gram: Float64Array;

  constructor(name: string, count: number) {
    this.name = name;
    this.count = count;
    this.gram = new Float64Array(count * count);
  }

  async addTensor(
    size: number,
    [base, ...experts]: readonly Float32Array[],
    breathe: () => Promise<void>,
  ): Promise<void> {
    if (base === undefined) return;
    this.parameterCount += size;
    const differences = experts.map(() => new Float64Array(BLOCK));
    for (let begin = 0; begin < size; begin += BLOCK) {
      const end = Math.min(begin + BLOCK, size);
      for (let i = begin; i < end; i++) this.base += finite(base[i]! * base[i]!);
      for (const [k, expert] of experts.entries()) {
        const difference = differences[k]!;
        for (let i = begin; i < end; i++) difference[i - begin] = finite(expert[i]! - base[i]!);
        for (let j = 0; j <= k; j++) {
          const product = dot(difference, differences[j]!, end - begin);
          this.gram[k * this.count + j]! += product;
          if (j !== k) this.gram[j * this.count + k]! += product;
        }
      }
      await breathe();
    }
  }

  add(other: Products): void {
    this.parameterCount += other.parameterCount;
    this.base += other.base;
    for (const [i, product] of other.gram.entries()) this.gram[i]! += product;
  }

  square(expert: number): number {
    return this.gram[expert * this.count + expert]!;
  }

  norms(): TaskVectorNorms {
    return {
      name: this.name,
      parameterCount: this.parameterCount,
      base: Math.sqrt(this.base),
      experts: Array.from({ length: this.count }, (_, expert) => Math.sqrt(this.square(expert))),
    };
  }

  cosines(): number[][] {
    const indices = Array.from({ length: this.count }, (_, index) => index);
    return indices.map((row) =>
      indices.map((column) => {
        const length = Math.sqrt(this.square(row)) * Math.sqrt(this.square(column));
        if (length === 0) return 0;
        if (row === column) return 1;
        return Math.max(-1, Math.min(1, this.gram[row * this.count + column]! / length));
      }),
    );
  }
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

function dot(a: Float64Array, b: Float64Array, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += a[i]! * b[i]!;
  return sum;
}

function nonFiniteWarnings(found: ReadonlyMap<string, readonly string[]>): MergeWarning[] {
  return [...found].map(([path, tensors]) => ({
    kind: 'non_finite',
    path,
    tensors,
    message: `has NaN or infinite values in ${tensors.length} tensors, the first "${tensors[0] ?? ''}"; it cannot be merged`,
  }));
}

function distanceWarnings(whole: Products, experts: readonly Checkpoint[]): MergeWarning[] {
  const warnings: MergeWarning[] = [];
  const warn = (kind: MergeWarning['kind'], expert: Checkpoint, message: string) => {
    warnings.push({ kind, path: expert.path, tensors: [], message });
  };
  for (const [k, expert] of experts.entries()) {
    const square = whole.square(k);
    if (square === 0) warn('identical_to_base', expert, 'is identical to the base');
    if (square > FAR_FROM_BASE ** 2 * whole.base) {
      const ratio = Math.sqrt(square / whole.base).toFixed(1);
      warn(
        'far_from_base',
        expert,
        `is ${ratio} times as far from the base as the base is from zero; it was probably not fine-tuned from it`,
      );
    }
    // Equal vectors give equal products, as all are summed in the same order; unequal ones do not
    // (Cauchy-Schwarz), except by a coincidence of rounding.
    const twin = experts.findIndex(
      (_, j) =>
        j < k &&
        square > 0 &&
        whole.square(j) === square &&
        whole.gram[k * whole.count + j] === square,
    );
    if (twin >= 0) {
      const other = experts[twin]?.path ?? '';
      warn(
        'identical_experts',
        expert,
        `has the same weights as ${other}, which then counts twice`,
      );
    }
  }
  return warnings;
}
