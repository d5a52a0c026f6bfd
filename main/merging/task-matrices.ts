/** Task vectors of one tensor as fp64 matrices, for the methods that work on weights of linear layers. */
import type { Matrix } from '../engine/linear/matrix.ts';
import type { Group } from './method.ts';

/** The parameter by which these methods choose what is a matrix to them. */
export const embeddingsParameter = (standard: 'matrix' | 'average') =>
  ({
    kind: 'choice',
    title: 'Embedding tables',
    default: standard,
    range: ['matrix', 'average'],
    help: 'Whether token and position embeddings are merged like the weights of linear layers, or averaged like vectors are.',
  }) as const;

/**
 * The tensors the authors' code takes apart (task_singular_vectors, iso-merging): two-dimensional,
 * except the text encoder's projection. Kernels of convolutions are none.
 */
export function isMatrix(
  { name, shape }: Pick<Group, 'name' | 'shape'>,
  embeddings: string,
): boolean {
  if (shape.length !== 2 || Math.min(...shape) < 2 || name.includes('text_projection'))
    return false;
  return embeddings === 'matrix' || !/embed|\bwte\b|\bwpe\b/i.test(name);
}

/** τₖ = θₖ − θ0 of one expert, out × in; exact differences. */
export function taskMatrix({ shape, base, experts }: Group, expert: number): Matrix {
  const [rows = 0, columns = 0] = shape;
  const values = experts[expert]!;
  // A loop: Float64Array.from calls back for each value and takes ten times as long.
  const data = new Float64Array(values.length);
  for (let i = 0; i < data.length; i++) data[i] = values[i]! - base[i]!;
  return { rows, columns, data };
}

/** τₖ of each expert. */
export function taskMatrices(group: Group): readonly Matrix[] {
  return group.experts.map((_, expert) => taskMatrix(group, expert));
}

/** Σ τₖ, in the order of the experts. */
export function sumOfTasks(group: Group): Matrix {
  const { base, experts } = group;
  const sum = taskMatrix(group, 0);
  const { data } = sum;
  for (const values of experts.slice(1)) {
    for (let i = 0; i < data.length; i++) data[i]! += values[i]! - base[i]!;
  }
  return sum;
}

/** θ0 + λ Δ. */
export function withChange(base: Float32Array, lambda: number, change: Matrix): Float32Array {
  const result = new Float32Array(base.length);
  for (let i = 0; i < result.length; i++) result[i] = base[i]! + lambda * change.data[i]!;
  return result;
}

/** θ0 + λ mean τₖ: what these methods do with vectors. */
export function withAverage({ base, experts }: Group, lambda: number): Float32Array {
  return base.map((origin, i) => {
    let sum = 0;
    for (const expert of experts) sum += expert[i]! - origin;
    return origin + (lambda * sum) / experts.length;
  });
}
