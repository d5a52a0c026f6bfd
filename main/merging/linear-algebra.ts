/**
 * Dense linear algebra as the spectral methods need it: everything is made of matrix products, and
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
import { singleLeading } from '../engine/linear/single-leading.ts';
import { singlePolar } from '../engine/linear/single-polar.ts';
import {
  outsideOthers,
  singleWeakest,
  type WeakestDirections,
} from '../engine/linear/single-weakest.ts';
import { toDouble, toSingle, type ChainStep, type Products } from '../engine/linear/single.ts';
import { estimateSpectrum } from '../engine/linear/spectrum.ts';
import { createProducts } from '../engine/onnx/product-chain.ts';

/**
 * How exact a result has to be: to the digits of fp64, or to the about six that weights stored in fp32 can show,
 * which costs a fraction. Where six digits cannot be had in fp32, it is fp64 all the same.
 */
export type Precision = 'double' | 'single';

export interface LinearAlgebra {
  /** op(A) op(B), where op transposes what is asked to be. */
  readonly multiply: Multiply;
  /** A Bᵀ, to single precision. */
  productOfRows(a: Matrix, b: Matrix): Promise<Matrix>;
  /** U and V are orthonormal also where σ is zero. */
  svd(a: Matrix): Promise<SingularValues>;
  /** The `count` largest singular values alone, which costs far less where they are few. */
  leading(a: Matrix, count: number, precision?: Precision): Promise<SingularValues>;
  /**
   * The orthogonal polar factor U Vᵀ: of all matrices with orthonormal rows or columns the nearest.
   * Of a rank-deficient matrix the sum over the singular values that are not zero, which alone is
   * determined: then U Vᵀ is a partial isometry.
   */
  polar(a: Matrix, precision?: Precision): Promise<Matrix>;
  /**
   * The directions of the `count` smallest singular values, to single precision; `undefined` where that needs the
   * whole decomposition.
   */
  weakest(a: Matrix, count: number): Promise<WeakestDirections | undefined>;
  /** A − Uc UcᵀA, Uc of all other left directions of the matrix of `weakest`; to single precision. */
  outsideOthers(a: Matrix, weakest: WeakestDirections): Promise<Matrix>;
}

/** Up to so many rows or columns fp64 costs little. */
const SMALL = 256;

export function createLinearAlgebra(products: Products): LinearAlgebra {
  const { multiply, chain } = products;
  const isSmall = ({ rows, columns }: Matrix) => Math.min(rows, columns) <= SMALL;
  async function polar(a: Matrix, precision: Precision = 'double'): Promise<Matrix> {
    if (a.rows < a.columns) return transposed(await polar(transposed(a), precision));
    const single = precision === 'single' && !isSmall(a);
    return (single ? await singlePolar(products, a) : undefined) ?? polarFactor(multiply, a);
  }
  return {
    multiply,
    async productOfRows(a, b) {
      if (isSmall(a) || isSmall(b)) return multiply(a, b, { b: true });
      return toDouble(await chain(rowsByRows, { a: toSingle(a), b: toSingle(b) }));
    },
    svd: (a) => singularValues(multiply, a),
    async leading(a, count, precision = 'double') {
      const single =
        precision === 'single' && !isSmall(a) && 3 * count <= Math.min(a.rows, a.columns);
      const found = single ? await singleLeading(products, a, count) : undefined;
      return found ?? leadingSingularValues(multiply, a, count);
    },
    polar,
    async weakest(a, count) {
      return isSmall(a) || 3 * count > Math.min(a.rows, a.columns)
        ? undefined
        : singleWeakest(products, a, count);
    },
    outsideOthers: (a, weakest) => outsideOthers(products, a, weakest),
  };
}

export const linearAlgebra = createLinearAlgebra(createProducts());

const rowsByRows: readonly ChainStep[] = [{ result: 'product', a: 'a', b: 'b', transposeB: true }];

/** Of rows ≥ columns. */
async function polarFactor(multiply: Multiply, a: Matrix): Promise<Matrix> {
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
