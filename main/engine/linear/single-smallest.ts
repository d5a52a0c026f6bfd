/**
 * The eigenvectors of the smallest eigenvalues of G, symmetric positive definite, to about six digits.
 * P = (G + δ I)⁻¹ δ lies in (0, 1] whatever the spectrum of G, so that a few large eigenvalues do not hide the others in
 * fp32; subspace iteration with Chebyshev filters on it runs in fp32, Rayleigh–Ritz and the check of the residuals
 * in fp64.
 */
import {
  anglesOf,
  degrees,
  filtered,
  mapped,
  startOf,
  widthFor,
  type Bounds,
} from './chebyshev-filter.ts';
import { inverseCholesky } from './inverse-cholesky.ts';
import { columnRange, scaleColumns, scaled, shifted, type Matrix } from './matrix.ts';
import { orthonormalBasis, straightened } from './orthonormal.ts';
import { toSingle, type Products, type SingleMatrix } from './single.ts';
import { estimatedQuantile, estimateSingleSpectrum } from './spectrum.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

const MAX_CYCLES = 5;

/** Root mean square of the angles between the found and the true directions, before the last step. */
const ANGLE = 1e-5;

/** Where in P the last wanted eigenvalue should come to lie, and where it may. */
const PLACE = { best: 0.45, least: 0.25, most: 0.65 } as const;

const MAX_SHIFTS = 4;

/** Eigenvalues below this share of the largest lie too near to one another to be told apart by fp64 in G. */
const LEAST_SHARE = 1e-7;

/** What is multiplied with: the eigenvalues of G in [0, 1], the wanted ones on top. */
interface Compressed {
  /** WᵀW = P, in fp64. */
  readonly w: Matrix;
  /** P in fp32. */
  readonly inverse: SingleMatrix;
  readonly bounds: Bounds;
}

/** Orthonormal columns, the smallest eigenvalue first; `undefined` where the wanted ones are too near to the others or to zero. */
export async function smallestEigenvectors(
  products: Products,
  g: Matrix,
  count: number,
): Promise<Matrix | undefined> {
  const { multiply } = products;
  const width = widthFor(g.rows, count);
  const compressed = await compress(products, g, count, width);
  if (compressed === undefined) return undefined;
  const { w, inverse } = compressed;
  let { bounds } = compressed;
  let basis = startOf(g.rows, width);
  let [missing, aligned] = [1 / ANGLE, false];
  for (let cycle = 0; cycle < MAX_CYCLES; cycle++) {
    const moved = mapped(inverse, bounds.cut);
    for (const degree of degrees(missing, aligned, bounds)) {
      const image = await filtered(products, moved, basis, degree);
      const next = await orthonormalBasis(multiply, image);
      if (next === undefined) return undefined;
      basis = next;
    }
    basis = await straightened(multiply, basis);
    const image = await multiply(w, await multiply(w, basis), { a: true });
    const inner = await multiply(basis, image, { a: true });
    const { values, vectors } = await symmetricEigen(multiply, inner);
    basis = await multiply(basis, vectors);
    const turned = await multiply(image, vectors);
    const last = values.at(-1)!;
    const angles = anglesOf(basis, turned, values.subarray(0, count), last);
    const angle = Math.sqrt(angles.reduce((sum, value) => sum + value ** 2, 0) / count);
    if (angle <= ANGLE) {
      // The image, which is at hand, is nearer than V by what a step of power iteration takes away.
      const reciprocal = values.subarray(0, count).map((value) => 1 / value);
      return straightened(multiply, scaleColumns(columnRange(turned, 0, count), reciprocal));
    }
    if (!(angle > 0 && last > 0)) return undefined;
    aligned = true;
    missing = Math.min(Math.max(...angles), 1) / ANGLE;
    const wanted = values[count - 1]!;
    // What the basis has last is no more than what is there.
    const cut = Math.min(Math.max(bounds.cut, last), 0.98 * wanted);
    bounds = { wanted, cut, radius: values[0]! };
  }
  return undefined;
}

/** Chooses δ so that the last wanted eigenvalue comes to lie where few filters suffice. */
async function compress(
  { multiply, chain }: Products,
  g: Matrix,
  count: number,
  width: number,
): Promise<Compressed | undefined> {
  const size = g.rows;
  const rough = await estimateSingleSpectrum(chain, toSingle(g), 24);
  let edge = Math.max(estimatedQuantile(rough, count / size), 1e-6 * rough.radius);
  for (let attempt = 0; attempt < MAX_SHIFTS; attempt++) {
    if (!(edge > LEAST_SHARE * rough.radius)) return undefined;
    const { best } = PLACE;
    const delta = (edge * best) / (1 - best);
    const w = await inverseCholesky(multiply, shifted(scaled(g, 1 / delta), 1, 1));
    if (w === undefined) return undefined;
    const inverse = await chain(square, { w: toSingle(w) });
    const spectrum = await estimateSingleSpectrum(chain, inverse, 32);
    const at = (part: number) => estimatedQuantile(spectrum, 1 - part / size);
    const [wanted, cut] = [at(count), at(width)];
    if (wanted >= PLACE.least && wanted <= PLACE.most) {
      const radius = Math.min(1, 1.02 * Math.max(...spectrum.nodes));
      return { w, inverse, bounds: { wanted, cut, radius } };
    }
    const inside = Math.min(Math.max(wanted, 1e-3), 1 - 1e-3);
    edge = (delta * (1 - inside)) / inside;
  }
  return undefined;
}

const square = [{ result: 'product', a: 'w', b: 'w', transposeA: true }];
