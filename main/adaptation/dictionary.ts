/** Task vectors τk = θk − θ0 of one tensor, stacked so that a merge is one matrix product. */
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/program.ts';
import type { VisionConfig } from '../models/vision-config.ts';
import { elementCount, type Tensor, type TensorMap } from '../lib/tensor.ts';

/** The base model and the experts that are merged into it, all of one architecture. */
export interface ExpertSet {
  readonly config: VisionConfig;
  readonly base: TensorMap;
  /** In recipe order. */
  readonly experts: readonly TensorMap[];
  /** The weights of a merge of them, for methods that go on from one. */
  readonly merged?: TensorMap;
}

export function tensorNamed(weights: TensorMap, name: string): Tensor {
  const tensor = weights.get(name);
  if (tensor === undefined) throw new Error(`tensor "${name}" is missing`);
  return tensor;
}

/** D [K, P]: row k is the flattened task vector of expert k for tensor `name` with P elements. */
export function stackTaskVectors(set: ExpertSet, name: string): Tensor {
  return stackDifferences(set, name, tensorNamed(set.base, name));
}

/** θk − `origin` of all experts, [K, P]. */
export function stackDifferences({ experts }: ExpertSet, name: string, origin: Tensor): Tensor {
  const size = origin.data.length;
  const data = new Float32Array(experts.length * size);
  experts.forEach((expert, k) => {
    const tuned = tensorNamed(expert, name).data;
    for (let i = 0; i < size; i++) data[k * size + i] = tuned[i]! - origin.data[i]!;
  });
  return { shape: [experts.length, size], data };
}

/** θ0 + λ Σk τk of one tensor (task arithmetic, Ilharco et al. 2023), summed in float64. */
export function addTaskVectors(set: ExpertSet, name: string, scaling: number): Tensor {
  const origin = tensorNamed(set.base, name);
  const tuned = set.experts.map((expert) => tensorNamed(expert, name).data);
  const data = origin.data.map((value, i) => {
    let sum = 0;
    for (const weights of tuned) sum += (weights[i] ?? 0) - value;
    return value + scaling * sum;
  });
  return { shape: origin.shape, data };
}

const dictionaryPrefix = 'task_vectors/';

export function dictionaryName(name: string): string {
  return `${dictionaryPrefix}${name}`;
}

/** The tensor whose task vectors the constant `name` holds; undefined for other constants. */
export function dictionaryOwner(name: string): string | undefined {
  return name.startsWith(dictionaryPrefix) ? name.slice(dictionaryPrefix.length) : undefined;
}

/**
 * W(λ) = W0 + Σk λk τk for every row of Λ [G, K], as [G, …shape] (or just `shape` when G = 1): one
 * matrix product that reads the dictionary once for all G rows.
 */
export function mergeTensor(
  g: Builder,
  coefficients: Value,
  { origin, dictionary, shape }: { origin: Value; dictionary: Value; shape: readonly number[] },
): Value {
  const flat = g.reshape(origin, [1, elementCount(shape)]);
  const merged = g.add(g.matmul(coefficients, dictionary), flat);
  return g.reshape(merged, g.shape(coefficients)[0] === 1 ? shape : [-1, ...shape]);
}
