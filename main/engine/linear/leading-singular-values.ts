/**
 * The largest singular values and their vectors without the rest: subspace iteration on the Gram
 * matrix with Chebyshev filters (Zhou, Saad, Tiago & Chelikowsky 2006), checked by residuals.
 */
import {
  columnNorms,
  columnRange,
  combined,
  scaleColumns,
  transposed,
  type Matrix,
  type Multiply,
} from './matrix.ts';
import { orthonormalBasis, randomMatrix, straightened } from './orthonormal.ts';
import { normalizedByPower, singularValues, type SingularValues } from './singular-values.ts';
import { estimateSpectrum, quantile } from './spectrum.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

/** Below this size, or for more than a third of all, taking everything costs less. */
const SMALL = 192;

const MAX_CYCLES = 8;

/** Of ‖G v − λ v‖, relative to the largest λ. */
const RESIDUAL = 1e-12;

/** The Gram matrix resolves singular values down to this share of the largest. */
const LEAST_SHARE = 1e-3;

/** More would leave a filtered basis without the digits to make it orthonormal. */
const MAX_AMPLIFICATION = 1e6;

/** The `count` largest singular values of A. */
export async function leadingSingularValues(
  multiply: Multiply,
  a: Matrix,
  count: number,
): Promise<SingularValues> {
  if (a.rows < a.columns) {
    const { u, sigma, v } = await leadingSingularValues(multiply, transposed(a), count);
    return { u: v, sigma, v: u };
  }
  const found =
    a.columns <= SMALL || 3 * count > a.columns ? undefined : await filtered(multiply, a, count);
  if (found !== undefined) return found;
  const { u, sigma, v } = await singularValues(multiply, a);
  return {
    u: columnRange(u, 0, count),
    sigma: sigma.slice(0, count),
    v: columnRange(v, 0, count),
  };
}

/** `undefined` where the iteration would need more digits or cycles than it has. */
async function filtered(
  multiply: Multiply,
  a: Matrix,
  count: number,
): Promise<SingularValues | undefined> {
  const { unit, factor } = normalizedByPower(a);
  const v = await leadingEigenvectors(multiply, await multiply(unit, unit, { a: true }), count);
  if (v === undefined) return undefined;
  const image = await multiply(unit, v);
  const sigma = columnNorms(image);
  if (!((sigma.at(-1) ?? 0) > LEAST_SHARE * (sigma[0] ?? 0))) return undefined;
  const u = scaleColumns(
    image,
    sigma.map((value) => 1 / value),
  );
  return {
    u: await straightened(multiply, u),
    sigma: sigma.map((value) => value * factor),
    v: await straightened(multiply, v),
  };
}

async function leadingEigenvectors(
  multiply: Multiply,
  gram: Matrix,
  count: number,
): Promise<Matrix | undefined> {
  const size = gram.rows;
  const width = Math.min(size, Math.ceil(1.3 * count) + 16);
  const spectrum = estimateSpectrum(gram, 32);
  let cut = quantile(spectrum, 1 - width / size);
  let basis = await orthonormalBasis(multiply, randomMatrix(size, width, 'leading'));
  for (let cycle = 0; cycle < MAX_CYCLES; cycle++) {
    for (let pass = 0; pass < 2 && basis !== undefined; pass++) {
      const image: Matrix | undefined = await filter(multiply, gram, basis, cut, spectrum.radius);
      basis = image && (await orthonormalBasis(multiply, image));
    }
    if (basis === undefined) return undefined;
    basis = await straightened(multiply, basis);
    const image = await multiply(gram, basis);
    const { values, vectors } = await symmetricEigen(
      multiply,
      await multiply(basis, image, { a: true }),
    );
    basis = await multiply(basis, vectors);
    const leading = columnRange(basis, 0, count);
    const residual = combined(
      1,
      columnRange(await multiply(image, vectors), 0, count),
      -1,
      scaleColumns({ ...leading, data: leading.data.slice() }, values),
    );
    if (Math.max(...columnNorms(residual)) <= RESIDUAL * spectrum.radius) return leading;
    cut = values.at(-1)!;
  }
  return undefined;
}

/** The Chebyshev polynomial of the Gram matrix that is small on [0, cut] and grows above. */
async function filter(
  multiply: Multiply,
  gram: Matrix,
  start: Matrix,
  cut: number,
  radius: number,
): Promise<Matrix | undefined> {
  if (!(cut > 0 && cut < radius)) return undefined;
  const growth = Math.acosh((2 * radius) / cut - 1);
  const degree = Math.min(12, Math.max(1, Math.floor(Math.log(2 * MAX_AMPLIFICATION) / growth)));
  let earlier = start;
  let current = combined(2 / cut, await multiply(gram, start), -1, start);
  for (let k = 1; k < degree; k++) {
    const next = combined(4 / cut, await multiply(gram, current), -2, current);
    for (let i = 0; i < next.data.length; i++) next.data[i]! -= earlier.data[i]!;
    earlier = current;
    current = next;
  }
  return current;
}
