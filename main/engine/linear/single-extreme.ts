/**
 * The eigenvectors of the largest or of the smallest eigenvalues of G, symmetric positive semidefinite, to about six
 * digits. (G + δ I)⁻¹ δ lies in (0, 1] whatever the spectrum of G, so that a few large eigenvalues do not hide
 * the others in fp32; subspace iteration with Chebyshev filters on it (Zhou, Saad, Tiago & Chelikowsky 2006) runs
 * in fp32, Rayleigh–Ritz and the check of the residuals in fp64, with G for
 * the largest and with the inverse for the smallest.
 */
import { inverseCholesky } from './inverse-cholesky.ts';
import { columnNorms, columnRange, scaleColumns, shifted, type Matrix } from './matrix.ts';
import { orthonormalBasis, randomMatrix, straightened } from './orthonormal.ts';
import { toDouble, toSingle, type ChainStep, type Products, type SingleMatrix } from './single.ts';
import { estimatedQuantile, estimateSingleSpectrum } from './spectrum.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

type End = 'largest' | 'smallest';

const MAX_CYCLES = 5;

/** What a start at random may lack beside `missing`, as a logarithm; one more Rayleigh–Ritz step costs far more. */
const MARGIN = 6;

/** Filters between two Rayleigh–Ritz steps. */
const MAX_PASSES = 8;

/** Root mean square of the angles between the found and the true directions, before the last step. */
const ANGLE = 1e-5;

/** What a filter may amplify before the basis is made orthonormal: fp32 keeps seven digits of it. */
const MAX_AMPLIFICATION = { start: 1e4, last: 15, aligned: 1e5 } as const;

/** Where the last wanted eigenvalue should come to lie, and where it may. */
const PLACE = { best: 0.45, least: 0.25, most: 0.65 } as const;

const MAX_SHIFTS = 4;

/** Eigenvalues below this share of the largest lie too near to one another to be told apart by fp64 in G. */
const LEAST_SHARE = { largest: 1e-9, smallest: 1e-7 } as const;

/** What is multiplied with: the eigenvalues of G, brought into [0, 1] with the wanted ones on top. */
interface Compressed {
  readonly delta: number;
  /** WᵀW = (G + δ I)⁻¹ δ, in fp64. */
  readonly w: Matrix;
  /** WᵀW in fp32. */
  readonly inverse: SingleMatrix;
  readonly bounds: Bounds;
}

/** Orthonormal columns, the outermost eigenvalue first; `undefined` where the wanted eigenvalues are too near to the others or to zero. */
export async function extremeEigenvectors(
  products: Products,
  g: Matrix,
  count: number,
  end: End,
): Promise<Matrix | undefined> {
  const { multiply } = products;
  const size = g.rows;
  const width = Math.min(size, 16 * Math.ceil((1.25 * count + 16) / 16));
  const compressed = await compress(products, g, count, width, end);
  if (compressed === undefined) return undefined;
  const { delta } = compressed;
  let { bounds } = compressed;
  const { w } = compressed;
  const largest = end === 'largest';
  const operate = async (v: Matrix) =>
    largest ? multiply(g, v) : multiply(w, await multiply(w, v), { a: true });
  const place = (value: number) => (largest ? value / (value + delta) : value);
  let basis = startOf(size, width);
  let [missing, aligned] = [1 / ANGLE, false];
  for (let cycle = 0; cycle < MAX_CYCLES; cycle++) {
    const moved = mapped(compressed.inverse, bounds.cut, end);
    for (const degree of degrees(missing, aligned, bounds)) {
      const image = await filter(products, moved, basis, degree);
      const norms = columnNorms(image);
      const next = await orthonormalBasis(
        multiply,
        scaleColumns(
          image,
          norms.map((norm) => 1 / norm),
        ),
      );
      if (next === undefined) return undefined;
      basis = next;
    }
    basis = await straightened(multiply, basis);
    const image = await operate(basis);
    const inner = await multiply(basis, image, { a: true });
    const { values, vectors } = await symmetricEigen(multiply, inner);
    basis = await multiply(basis, vectors);
    const turned = await multiply(image, vectors);
    const angles = anglesOf(basis, turned, values.subarray(0, count), values.at(-1)!);
    const angle = Math.sqrt(angles.reduce((sum, value) => sum + value ** 2, 0) / count);
    if (angle <= ANGLE) {
      // The image, which is at hand, is nearer than V by what a step of power iteration takes away.
      const inverse = values.subarray(0, count).map((value) => 1 / value);
      return straightened(multiply, scaleColumns(columnRange(turned, 0, count), inverse));
    }
    if (!(angle > 0 && values.at(-1)! > 0)) return undefined;
    aligned = true;
    missing = Math.min(Math.max(...angles), 1) / ANGLE;
    const wanted = place(values[count - 1]!);
    // What the basis has last is no more than what is there.
    const cut = Math.min(Math.max(bounds.cut, place(values.at(-1)!)), 0.98 * wanted);
    bounds = { wanted, cut, radius: place(values[0]!) };
  }
  return undefined;
}

/** Chooses δ so that the last wanted eigenvalue comes to lie where few filters suffice. */
async function compress(
  { multiply, chain }: Products,
  g: Matrix,
  count: number,
  width: number,
  end: End,
): Promise<Compressed | undefined> {
  const size = g.rows;
  const rough = await estimateSingleSpectrum(chain, toSingle(g), 24);
  const least = LEAST_SHARE[end] * rough.radius;
  const above = (part: number) => 1 - part / size;
  const middle = end === 'largest' ? above(count) : count / size;
  let edge = Math.max(estimatedQuantile(rough, middle), 1e-6 * rough.radius);
  for (let attempt = 0; attempt < MAX_SHIFTS; attempt++) {
    if (!(edge > least)) return undefined;
    const { best } = PLACE;
    const delta = edge * (end === 'largest' ? 1 / best - 1 : best / (1 - best));
    const scaled = { ...g, data: g.data.map((value) => value / delta) };
    const w = await inverseCholesky(multiply, shifted(scaled, 1, 1));
    if (w === undefined) return undefined;
    const inverse = await chain(square, { w: toSingle(w) });
    const spectrum = await estimateSingleSpectrum(chain, inverse, 32);
    const { nodes } = spectrum;
    const at = (part: number) =>
      end === 'largest'
        ? 1 - estimatedQuantile(spectrum, part / size)
        : estimatedQuantile(spectrum, above(part));
    const [wanted, cut] = [at(count), at(width)];
    if (wanted >= PLACE.least && wanted <= PLACE.most) {
      const radius = end === 'largest' ? 1 - Math.min(...nodes) : Math.max(...nodes);
      return { delta, w, inverse, bounds: { wanted, cut, radius: Math.min(1, 1.02 * radius) } };
    }
    const inside = Math.min(Math.max(wanted, 1e-3), 1 - 1e-3);
    edge = end === 'largest' ? (delta * inside) / (1 - inside) : (delta * (1 - inside)) / inside;
  }
  return undefined;
}

const square = [{ result: 'product', a: 'w', b: 'w', transposeA: true }];

/** At most the residuals over the distance to the eigenvalues that are not in the basis. */
function anglesOf(basis: Matrix, image: Matrix, values: Float64Array, last: number): Float64Array {
  const { rows, columns } = basis;
  const squares = new Float64Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < values.length; j++) {
      const place = i * columns + j;
      squares[j]! += (image.data[place]! - values[j]! * basis.data[place]!) ** 2;
    }
  }
  return squares.map((square, j) => Math.sqrt(square) / Math.abs(values[j]! - last));
}

/** Compressed eigenvalues about: of the last wanted direction, of the last in the basis, and the largest. */
interface Bounds {
  readonly wanted: number;
  readonly cut: number;
  readonly radius: number;
}

/** Degrees of filters that together raise the wanted directions by `missing` above those below the cut. */
function degrees(missing: number, aligned: boolean, { wanted, cut, radius }: Bounds): number[] {
  const growth = Math.acosh((2 * radius) / cut - 1);
  const least = Math.acosh((2 * Math.max(wanted, 1.02 * cut)) / cut - 1);
  const needed = Math.ceil((Math.log(missing) + MARGIN) / least);
  if (aligned) {
    const most = Math.max(1, Math.floor(Math.log(MAX_AMPLIFICATION.aligned) / (growth - least)));
    return parts(needed, most);
  }
  const atMost = (amplification: number) =>
    Math.max(1, Math.floor(Math.log(2 * amplification) / growth));
  const last = Math.min(needed, atMost(MAX_AMPLIFICATION.last));
  return [...parts(needed - last, atMost(MAX_AMPLIFICATION.start)), last];
}

/** As few nearly equal parts of at most `most` as make up `total`, and no more than MAX_PASSES. */
function parts(total: number, most: number): number[] {
  const count = Math.min(Math.ceil(total / most), MAX_PASSES);
  return Array.from({ length: count }, () => Math.min(most, Math.ceil(total / count)));
}

/** (4 / cut) M − 2 I of M = P for the smallest, I − P for the largest: what lies in [0, cut] comes to lie in [−2, 2]. */
function mapped({ rows, columns, data }: SingleMatrix, cut: number, end: End): SingleMatrix {
  const moved = new Float32Array(data.length);
  const factor = (end === 'largest' ? -4 : 4) / cut;
  const shift = (end === 'largest' ? 4 / cut : 0) - 2;
  for (let i = 0; i < moved.length; i++) moved[i] = factor * data[i]!;
  for (let i = 0; i < moved.length; i += columns + 1) moved[i] = factor * data[i]! + shift;
  return { rows, columns, data: moved };
}

/** The Chebyshev polynomial of M that is small on what was mapped and grows above. */
async function filter(
  { chain }: Products,
  m: SingleMatrix,
  start: Matrix,
  degree: number,
): Promise<Matrix> {
  return toDouble(await chain(chebyshevSteps(degree), { m, t0: toSingle(start) }));
}

/** T₁ = M X / 2, Tₖ₊₁ = M Tₖ − Tₖ₋₁, for M with [−2, 2] for the interval where T stays small. */
function chebyshevSteps(degree: number): ChainStep[] {
  const steps: ChainStep[] = [{ result: 't1', a: 'm', b: 't0', alpha: 0.5 }];
  for (let k = 1; k < degree; k++) {
    steps.push({
      result: `t${String(k + 1)}`,
      a: 'm',
      b: `t${String(k)}`,
      plus: `t${String(k - 1)}`,
      beta: -1,
    });
  }
  return steps;
}

const starts = new Map<string, Matrix>();

/** The same for the same size, kept because drawing it takes as long as a product. */
function startOf(size: number, width: number): Matrix {
  const key = `${String(size)}×${String(width)}`;
  const start = starts.get(key) ?? randomMatrix(size, width, 'leading');
  if (starts.size >= 8) starts.clear();
  starts.set(key, start);
  return start;
}
