/**
 * Eigenvectors of symmetric matrices by spectral divide and conquer (Nakatsukasa & Higham 2013,
 * algorithm 5.1): the polar factor of A − μI is its sign, (I ± sign) / 2 project on the invariant
 * subspaces above and below μ, and A splits into two smaller problems. Nearly all work is products.
 */
import {
  besides,
  columnRange,
  pickColumns,
  shifted,
  combined,
  identity,
  transposed,
  type Matrix,
  type Multiply,
} from './matrix.ts';
import { orthonormalBasis, randomMatrix, straightened } from './orthonormal.ts';
import { polarIteration } from './polar-iteration.ts';
import { smallEigen } from './small-eigen.ts';
import { estimateSpectrum, quantile } from './spectrum.ts';

/** A = V diag(λ) Vᵀ; λ falls. */
export interface SymmetricEigen {
  readonly values: Float64Array;
  readonly vectors: Matrix;
}

/** Up to this many rows the QL algorithm is faster. */
const LEAF = 1024;

/** Where to cut when an eigenvalue lies too near to the middle: shares of the eigenvalues below. */
const CUTS = [0.5, 0.42, 0.58, 0.35, 0.65, 0.25, 0.75, 0.12, 0.88];

/**
 * Blocks whose eigenvalues are all below `floor` times the largest of A are not taken apart; their
 * values are the diagonal.
 */
export async function symmetricEigen(
  multiply: Multiply,
  a: Matrix,
  floor = 0,
): Promise<SymmetricEigen> {
  if (a.rows <= LEAF) return leaf(a);
  const { radius } = estimateSpectrum(a);
  const limits = { rounding: Number.EPSILON * radius, least: floor * radius };
  const { values, vectors } = await decompose(multiply, a, limits);
  return { values, vectors: await straightened(multiply, vectors) };
}

interface Limits {
  /** What lies off the diagonal is no more than rounding left there. */
  readonly rounding: number;
  readonly least: number;
}

async function decompose(multiply: Multiply, a: Matrix, limits: Limits): Promise<SymmetricEigen> {
  if (offDiagonal(a) <= limits.rounding) return diagonal(a);
  if (a.rows <= LEAF) return leaf(a);
  const spectrum = estimateSpectrum(a);
  if (spectrum.radius <= limits.least) return diagonal(a);
  for (const share of CUTS) {
    const bases = await split(multiply, a, quantile(spectrum, share), spectrum.radius);
    if (bases === undefined) continue;
    const parts: SymmetricEigen[] = [];
    for (const basis of bases) {
      const inner = await multiply(basis, await multiply(a, basis), { a: true });
      const { values, vectors } = await decompose(multiply, symmetrized(inner), limits);
      parts.push({ values, vectors: await multiply(basis, vectors) });
    }
    return {
      values: Float64Array.from(parts.flatMap(({ values }) => [...values])),
      vectors: besides(parts.map(({ vectors }) => vectors)),
    };
  }
  return leaf(a);
}

/** Orthonormal bases of the invariant subspaces above and below `middle`. */
async function split(
  multiply: Multiply,
  a: Matrix,
  middle: number,
  radius: number,
): Promise<readonly [Matrix, Matrix] | undefined> {
  const size = a.rows;
  const scale = 1 / (radius + Math.abs(middle));
  const moved = shifted({ ...a, data: a.data.slice() }, scale, -middle * scale);
  const sign = await polarIteration(multiply, moved, 1e-4, true);
  if (sign === undefined) return undefined;
  let trace = 0;
  for (let i = 0; i < size; i++) trace += sign.data[i * (size + 1)]!;
  const above = Math.round((size + trace) / 2);
  if (above === 0 || above === size) return undefined;
  const start = randomMatrix(size, size, 'split');
  const image = await multiply(sign, start);
  const bases: Matrix[] = [];
  for (const [side, begin, end] of [
    [1, 0, above],
    [-1, above, size],
  ] as const) {
    const columns = combined(
      0.5,
      columnRange(start, begin, end),
      0.5 * side,
      columnRange(image, begin, end),
    );
    const first = await orthonormalBasis(multiply, columns);
    // Projected once more: what the first basis lost to the condition of `start` comes back.
    const projected = first && combined(0.5, first, 0.5 * side, await multiply(sign, first));
    const basis = projected && (await orthonormalBasis(multiply, projected));
    if (basis === undefined) return undefined;
    bases.push(basis);
  }
  return bases as [Matrix, Matrix];
}

function leaf(a: Matrix): SymmetricEigen {
  const found = smallEigen(a);
  if (found === undefined) throw new Error('no eigenvalues of a matrix that is not finite');
  return sorted([...found.values], transposed(found.vectors));
}

function diagonal(a: Matrix): SymmetricEigen {
  const values = Array.from({ length: a.rows }, (_, i) => a.data[i * (a.columns + 1)]!);
  return sorted(values, identity(a.rows));
}

function sorted(values: readonly number[], vectors: Matrix): SymmetricEigen {
  const order = values.map((_, i) => i).sort((i, j) => values[j]! - values[i]!);
  return {
    values: Float64Array.from(order, (i) => values[i]!),
    vectors: pickColumns(vectors, order),
  };
}

function offDiagonal({ rows, columns, data }: Matrix): number {
  let sum = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < i; j++) sum += data[i * columns + j]! ** 2;
  }
  return Math.sqrt(2 * sum);
}

/** Takes away what rounding made different on both sides of the diagonal, in place. */
function symmetrized(a: Matrix): Matrix {
  const { rows: size, data } = a;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) {
      const mean = (data[i * size + j]! + data[j * size + i]!) / 2;
      data[i * size + j] = mean;
      data[j * size + i] = mean;
    }
  }
  return a;
}
