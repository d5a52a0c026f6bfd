/**
 * Chains of fp32 products that run as one program of the engine, and what goes in and out of them.
 * Where a result needs no more than about six digits this takes half the time of fp64.
 */
import type { Matrix, Multiply } from './matrix.ts';

/** Row-major, fp32. */
export interface SingleMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

/** result = alpha op(a) op(b) + beta plus, where names stand for inputs or earlier results. */
export interface ChainStep {
  readonly result: string;
  readonly a: string;
  readonly b: string;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly alpha?: number;
  readonly plus?: string;
  readonly beta?: number;
}

/** Carries out the steps in order and gives the result of the last. */
export type RunChain = (
  steps: readonly ChainStep[],
  inputs: Readonly<Record<string, SingleMatrix>>,
) => Promise<SingleMatrix>;

/** What the engine offers to linear algebra. */
export interface Products {
  /** In fp64. */
  readonly multiply: Multiply;
  /** In fp32. */
  readonly chain: RunChain;
}

export function toSingle({ rows, columns, data }: Matrix): SingleMatrix {
  return { rows, columns, data: new Float32Array(data) };
}

export function toDouble({ rows, columns, data }: SingleMatrix): Matrix {
  return { rows, columns, data: new Float64Array(data) };
}
