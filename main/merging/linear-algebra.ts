/**
 * Dense linear algebra as the spectral methods need it: everything is made of fp64 matrix products, and
 * the engine computes those. Nothing is drawn at random: the same input gives the same bytes, with any
 * number of threads on the same kind of processor.
 */
import { leadingSingularValues } from '../engine/linear/leading-singular-values.ts';
import { columnRange, transposed, type Matrix, type Multiply } from '../engine/linear/matrix.ts';
import { polarIteration } from '../engine/linear/polar-iteration.ts';
import {
  normalizedByPower,
  singularValues,
  type SingularValues,
} from '../engine/linear/singular-values.ts';
import { estimateSpectrum } from '../engine/linear/spectrum.ts';
import { createMatrixProduct } from '../engine/onnx/matrix-product.ts';

export interface LinearAlgebra {
  /** op(A) op(B), where op transposes what is asked to be. */
  readonly multiply: Multiply;
  /** U and V are orthonormal also where σ is zero. */
  svd(a: Matrix): Promise<SingularValues>;
  /** The `count` largest singular values alone, which costs far less where they are few. */
  leading(a: Matrix, count: number): Promise<SingularValues>;
  /**
   * The orthogonal polar factor U Vᵀ: of all matrices with orthonormal rows or columns the nearest.
   * Of a rank-deficient matrix the sum over the singular values that are not zero, which alone is
   * determined: then U Vᵀ is a partial isometry.
   */
  polar(a: Matrix): Promise<Matrix>;
}

export function createLinearAlgebra(multiply: Multiply): LinearAlgebra {
  return {
    multiply,
    svd: (a) => singularValues(multiply, a),
    leading: (a, count) => leadingSingularValues(multiply, a, count),
    polar: (a) => polarFactor(multiply, a),
  };
}

export const linearAlgebra = createLinearAlgebra(createMatrixProduct());

async function polarFactor(multiply: Multiply, a: Matrix): Promise<Matrix> {
  if (a.rows < a.columns) return transposed(await polarFactor(multiply, transposed(a)));
  const { unit } = normalizedByPower(a);
  const gram = await multiply(unit, unit, { a: true });
  const largest = Math.sqrt(estimateSpectrum(gram, 12).radius);
  if (largest === 0) return a;
  const scaled = { ...unit, data: unit.data.map((value) => value / largest) };
  return (await polarIteration(multiply, scaled, 1e-4)) ?? partialIsometry(multiply, unit);
}

async function partialIsometry(multiply: Multiply, a: Matrix): Promise<Matrix> {
  const { u, sigma, v } = await singularValues(multiply, a);
  const zero = sigma.indexOf(0);
  const rank = zero === -1 ? sigma.length : zero;
  return multiply(columnRange(u, 0, rank), columnRange(v, 0, rank), { b: true });
}
