/** Singular directions of several experts, made orthogonal and put together again. */
import { columnRange, scaleColumns, type Matrix } from '../engine/linear/matrix.ts';
import type { SingularValues } from '../engine/linear/singular-values.ts';
import type { LinearAlgebra } from './linear-algebra.ts';

/** Without the directions of σ = 0, which nothing determines. */
export function withoutZeros({ u, sigma, v }: SingularValues): SingularValues {
  const zero = sigma.indexOf(0);
  const rank = zero === -1 ? sigma.length : zero;
  return {
    u: columnRange(u, 0, rank),
    sigma: sigma.subarray(0, rank),
    v: columnRange(v, 0, rank),
  };
}

/** polar(U) diag(σ) polar(V)ᵀ, of columns that need not be orthogonal. */
export async function recombined(
  linear: LinearAlgebra,
  { u, sigma, v }: SingularValues,
): Promise<Matrix> {
  const left = scaleColumns(await linear.polar(u, 'single'), sigma);
  return linear.productOfRows(left, await linear.polar(v, 'single'));
}
