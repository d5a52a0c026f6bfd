/**
 * The eigenvectors of the largest eigenvalues of G, symmetric positive semidefinite, to about six digits. A few
 * that stand out would hide the others in fp32; a thin block in fp64 finds those, and they are taken off. Of
 * what is left subspace iteration with Chebyshev filters runs in fp32, Rayleigh–Ritz on both together and the
 * check of the residuals in fp64.
 */
import {
  anglesOf,
  degrees,
  filtered,
  growthOf,
  mapped,
  residualNorms,
  startOf,
  widthFor,
  type Bounds,
} from './chebyshev-filter.ts';
import {
  besides,
  columnRange,
  combined,
  scaleColumns,
  type Matrix,
  type Multiply,
} from './matrix.ts';
import { orthonormalBasis, straightened } from './orthonormal.ts';
import type { Products, SingleMatrix } from './single.ts';
import { estimatedQuantile, estimateSingleSpectrum } from './spectrum.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

const MAX_CYCLES = 5;

/** Root mean square of the angles between the found and the true directions, before the last step. */
const ANGLE = 4e-6;

/** Wanted eigenvalues below this share of the largest lie too near to one another to be told apart by fp64 in G. */
const LEAST_SHARE = 1e-9;

/** Of the block that finds what stands out: its width, and how far its largest value must be above its last. */
const OUTER = { width: 48, steep: 12, above: 4, cycles: 4, amplification: 1e10 } as const;

/** Residual over √(λ λ′), λ′ the last value of the thin block, of a direction that may be taken off: what it leaves in the others falls with the square. */
const TAKEN = 2e-6;

interface Ritz {
  readonly values: Float64Array;
  readonly vectors: Matrix;
  /** G times the vectors. */
  readonly image: Matrix;
}

/** Orthonormal columns, the largest eigenvalue first; `undefined` where the wanted ones are too near to the others or to zero. */
export async function largestEigenvectors(
  products: Products,
  g: Matrix,
  count: number,
): Promise<Matrix | undefined> {
  const { multiply, chain } = products;
  const size = g.rows;
  const width = widthFor(size, count);
  let outer = await outstanding(multiply, g, Math.min(OUTER.width, width));
  if (outer === undefined) return undefined;
  const taken = Math.min(outer.values.length, width - 16);
  if (taken >= count) return finished(multiply, outer, count);
  outer = leadingOf(outer, taken);
  const rest = without(g, outer, await crossed(multiply, outer));
  const spectrum = await estimateSingleSpectrum(chain, rest, 14, 4);
  const at = (part: number) => estimatedQuantile(spectrum, 1 - (part - taken) / size);
  let bounds: Bounds = { wanted: at(count), cut: at(width), radius: spectrum.radius };
  if (!(bounds.cut > LEAST_SHARE * Math.max(spectrum.radius, outer.values[0] ?? 0))) {
    return undefined;
  }
  let inner = startOf(size, width - taken);
  let [missing, aligned] = [1 / ANGLE, false];
  for (let cycle = 0; cycle < MAX_CYCLES; cycle++) {
    const moved = mapped(rest, bounds.cut);
    for (const degree of degrees(missing, aligned, bounds)) {
      const image = await filtered(products, moved, inner, degree);
      const next = await orthonormalBasis(multiply, image);
      if (next === undefined) return undefined;
      inner = next;
    }
    const basis = besides([outer.vectors, await projectedOff(multiply, inner, outer.vectors)]);
    // Less was amplified before the first step than would cost digits.
    const ritz = await rayleighRitz(
      multiply,
      g,
      aligned ? await straightened(multiply, basis) : basis,
    );
    const { values } = ritz;
    const last = values.at(-1)!;
    const angles = anglesOf(ritz.vectors, ritz.image, values.subarray(0, count), last);
    const angle = Math.sqrt(angles.reduce((sum, value) => sum + value ** 2, 0) / count);
    if (angle <= ANGLE) return finished(multiply, ritz, count);
    if (!(angle > 0 && last > 0)) return undefined;
    aligned = true;
    missing = Math.min(Math.max(...angles), 1) / ANGLE;
    const wanted = values[count - 1]!;
    // What the basis has last is no more than what is there.
    const cut = Math.min(Math.max(bounds.cut, last), 0.98 * wanted);
    bounds = { wanted, cut, radius: values[taken]! };
    outer = leadingOf(ritz, taken);
    inner = columnRange(ritz.vectors, taken, width);
  }
  return undefined;
}

/** The image, which is at hand, is nearer than V by what a step of power iteration takes away. */
function finished(multiply: Multiply, { values, image }: Ritz, count: number): Promise<Matrix> {
  const inverse = values.subarray(0, count).map((value) => 1 / value);
  return straightened(multiply, scaleColumns(columnRange(image, 0, count), inverse));
}

/** The eigenvectors far above the others, as far as a thin block in fp64 finds them; often none. */
async function outstanding(
  multiply: Multiply,
  g: Matrix,
  width: number,
): Promise<Ritz | undefined> {
  let basis = await orthonormalBasis(multiply, await multiply(g, startOf(g.rows, width)));
  for (let cycle = 0; basis !== undefined; cycle++) {
    const ritz: Ritz = await rayleighRitz(multiply, g, await straightened(multiply, basis));
    const { values, vectors, image } = ritz;
    const [largest, last] = [values[0]!, values.at(-1)!];
    if (!(largest > OUTER.steep * last)) return leadingOf(ritz, 0);
    const strong = values.filter((value) => value >= OUTER.above * last);
    const misses = residualNorms(vectors, image, strong).map(
      (residual, i) => residual / (TAKEN * Math.sqrt(strong[i]! * Math.max(last, 0))),
    );
    const open = misses.findIndex((miss) => !(miss <= 1));
    if (open === -1) return leadingOf(ritz, strong.length);
    if (cycle === OUTER.cycles) return leadingOf(ritz, open);
    const missing = Math.max(...misses);
    if (!Number.isFinite(missing)) return undefined;
    const least = growthOf(strong.at(-1)!, last);
    const most = Math.log(OUTER.amplification) / (growthOf(largest, last) - least);
    const degree = Math.max(
      1,
      Math.min(Math.ceil((Math.log(missing) + 1) / least), Math.floor(most)),
    );
    basis = await orthonormalBasis(
      multiply,
      await filteredInDouble(multiply, g, vectors, image, last, degree),
    );
  }
  return undefined;
}

/** The Chebyshev polynomial of G, small on [0, cut], of a basis and its image. */
async function filteredInDouble(
  multiply: Multiply,
  g: Matrix,
  basis: Matrix,
  image: Matrix,
  cut: number,
  degree: number,
): Promise<Matrix> {
  let earlier = basis;
  let current = combined(2 / cut, image, -1, basis);
  for (let k = 1; k < degree; k++) {
    const next = combined(4 / cut, await multiply(g, current), -2, current);
    for (let i = 0; i < next.data.length; i++) next.data[i]! -= earlier.data[i]!;
    [earlier, current] = [current, next];
  }
  return current;
}

async function rayleighRitz(multiply: Multiply, g: Matrix, basis: Matrix): Promise<Ritz> {
  const image = await multiply(g, basis);
  const inner = await multiply(basis, image, { a: true });
  const { values, vectors } = await symmetricEigen(multiply, inner);
  return {
    values,
    vectors: await multiply(basis, vectors),
    image: await multiply(image, vectors),
  };
}

function leadingOf({ values, vectors, image }: Ritz, count: number): Ritz {
  return {
    values: values.slice(0, count),
    vectors: columnRange(vectors, 0, count),
    image: columnRange(image, 0, count),
  };
}

/** D Yᵀ + Y Dᵀ with Y = G D − D Λ / 2: what G has along the directions D, whatever they are. */
async function crossed(multiply: Multiply, { values, vectors, image }: Ritz): Promise<Matrix> {
  const half = scaleColumns({ ...vectors, data: vectors.data.slice() }, values);
  const y = combined(1, image, -0.5, half);
  return multiply(besides([vectors, y]), besides([y, vectors]), { b: true });
}

/** (I − D Dᵀ) G (I − D Dᵀ) in fp32. */
function without(g: Matrix, { values }: Ritz, crossed: Matrix): SingleMatrix {
  const data = new Float32Array(g.data.length);
  if (values.length === 0) data.set(g.data);
  else for (let i = 0; i < data.length; i++) data[i] = g.data[i]! - crossed.data[i]!;
  return { rows: g.rows, columns: g.columns, data };
}

async function projectedOff(multiply: Multiply, basis: Matrix, others: Matrix): Promise<Matrix> {
  if (others.columns === 0) return basis;
  const along = await multiply(others, basis, { a: true });
  return combined(1, basis, -1, await multiply(others, along));
}
