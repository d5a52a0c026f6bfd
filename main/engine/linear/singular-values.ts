/**
 * Singular values from the eigenvectors of the Gram matrix on the short side, in levels: a level takes
 * what is within a factor of LEVEL of its largest singular value, which fp64 resolves in the Gram
 * matrix, and leaves the rest, projected off what is found, to the next.
 */
import {
  besides,
  columnNorms,
  columnRange,
  combined,
  identity,
  pickColumns,
  powerOf,
  scaleColumns,
  scaled,
  transposed,
  type Matrix,
  type Multiply,
} from './matrix.ts';
import { gramOf } from './gram.ts';
import { complement, straightened } from './orthonormal.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

/** A = U diag(σ) Vᵀ with min(rows, columns) columns in U and V; σ falls. */
export interface SingularValues {
  readonly u: Matrix;
  readonly sigma: Float64Array;
  readonly v: Matrix;
}

const LEVEL = 1e-2;

/** Singular values below max(rows, columns) ε σ₁ are given as zero. */
export async function singularValues(multiply: Multiply, a: Matrix): Promise<SingularValues> {
  if (a.rows < a.columns) {
    const { u, sigma, v } = await singularValues(multiply, transposed(a));
    return { u: v, sigma, v: u };
  }
  const { unit, factor } = normalizedByPower(a);
  const { u, sigma, v } = await levels(multiply, unit);
  const order = [...sigma.keys()].sort((i, j) => sigma[j]! - sigma[i]!);
  return {
    u: pickColumns(u, order),
    sigma: Float64Array.from(order, (i) => sigma[i]! * factor),
    v: pickColumns(v, order),
  };
}

/** Scaled so that the largest value lies in [1, 2): by a power of two, which costs no digit. */
export function normalizedByPower(a: Matrix): { readonly unit: Matrix; readonly factor: number } {
  const factor = powerOf(a);
  return { unit: scaled(a, 1 / factor), factor };
}

async function levels(multiply: Multiply, a: Matrix): Promise<SingularValues> {
  const { rows, columns } = a;
  const us: Matrix[] = [];
  const vs: Matrix[] = [];
  const sigmas: Float64Array[] = [];
  let basis = identity(columns);
  let tail = a;
  let least = 0;
  while (basis.columns > 0) {
    const gram = await gramOf(multiply, tail);
    const { values, vectors } = await symmetricEigen(multiply, gram, LEVEL ** 2 / 4);
    const largest = Math.sqrt(Math.max(values[0] ?? 0, 0));
    if (us.length === 0) least = largest * rows * Number.EPSILON;
    if (largest <= least) break;
    const kept = values.findIndex((value) => value < (LEVEL * largest) ** 2);
    const count = kept === -1 ? values.length : kept;
    const found = columnRange(vectors, 0, count);
    const image = await multiply(tail, found);
    const sigma = columnNorms(image);
    us.push(
      await straightened(
        multiply,
        scaleColumns(
          image,
          sigma.map((value) => 1 / value),
        ),
      ),
    );
    vs.push(await multiply(basis, found));
    sigmas.push(sigma);
    basis = await multiply(basis, columnRange(vectors, count, vectors.columns));
    tail = await multiply(a, basis);
    const u = besides(us);
    tail = combined(1, tail, -1, await multiply(u, await multiply(u, tail, { a: true })));
  }
  if (basis.columns > 0) {
    const u = us.length === 0 ? identity(rows, columns) : undefined;
    us.push(u ?? (await complement(multiply, besides(us), basis.columns)));
    vs.push(basis);
    sigmas.push(new Float64Array(basis.columns));
  }
  return {
    u: besides(us),
    sigma: Float64Array.from(sigmas.flatMap((part) => [...part])),
    v: besides(vs),
  };
}
