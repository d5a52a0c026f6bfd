/**
 * The largest singular values and their vectors, to about six digits, which is what weights in fp32 can
 * hold: subspace iteration on the Gram matrix with Chebyshev filters in fp32 (Zhou, Saad, Tiago &
 * Chelikowsky 2006), Rayleigh–Ritz and the check of the residuals in fp64.
 */
import {
  besides,
  columnNorms,
  columnRange,
  combined,
  scaleColumns,
  type Matrix,
} from './matrix.ts';
import { orthonormalBasis, randomMatrix, straightened } from './orthonormal.ts';
import { normalizedByPower, type SingularValues } from './singular-values.ts';
import { toDouble, toSingle, type ChainStep, type Products, type SingleMatrix } from './single.ts';
import { estimateSpectrum, estimatedQuantile } from './spectrum.ts';
import { symmetricEigen, type SymmetricEigen } from './symmetric-eigen.ts';

/** A symmetric positive semidefinite matrix. */
export interface Operator {
  /** What the filter works with. */
  readonly single: SingleMatrix;
  /** M V in fp64. */
  readonly image: (v: Matrix) => Promise<Matrix>;
  /** M in fp64, newly made. */
  readonly matrix: () => Promise<Matrix>;
}

const MAX_CYCLES = 5;

/** Filters between two Rayleigh–Ritz steps. */
const MAX_PASSES = 4;

/** Directions of eigenvalues so far above the cut are found first, and taken out of the filter. */
const LOCKED = 6;

/** Where the largest eigenvalue is so many times the cut, the cut is hardly known. */
const STEEP = 50;

/** Root mean square of the angles between the found and the true directions, before the last step. */
const ANGLE = 1e-5;

/** What a filter may amplify before the basis is made orthonormal: fp32 keeps seven digits of it. */
const MAX_AMPLIFICATION = { start: 1e4, last: 15, aligned: 1e5 } as const;

/** The `count` largest singular values of A; `undefined` where they are too near to the others. */
export async function singleLeading(
  products: Products,
  a: Matrix,
  count: number,
): Promise<SingularValues | undefined> {
  const { multiply, chain } = products;
  const { unit, factor } = normalizedByPower(a);
  const wide = a.rows < a.columns;
  const single = toSingle(unit);
  const gram = { result: 'gram', a: 'a', b: 'a', transposeA: !wide, transposeB: wide };
  const found = await leadingEigenvectors(products, count, {
    single: await chain([gram], { a: single }),
    image: async (v) => multiply(unit, await multiply(unit, v, { a: wide }), { a: !wide }),
    matrix: () => multiply(unit, unit, { a: !wide, b: wide }),
  });
  if (found === undefined) return undefined;
  const near = found.vectors;
  const image = await multiply(unit, near, { a: wide });
  const sigma = columnNorms(image);
  const far = await straightened(
    multiply,
    scaleColumns(
      image,
      sigma.map((value) => 1 / value),
    ),
  );
  const scaled = sigma.map((value) => value * factor);
  return wide ? { u: near, sigma: scaled, v: far } : { u: far, sigma: scaled, v: near };
}

/** The `count` largest eigenvalues of M and their vectors, orthonormal. */
export async function leadingEigenvectors(
  products: Products,
  count: number,
  operator: Operator,
): Promise<SymmetricEigen | undefined> {
  const { multiply } = products;
  const size = operator.single.rows;
  const width = Math.min(size, Math.ceil(1.2 * count) + 8);
  let matrix = operator.single;
  let bounds = estimatedBounds(matrix, count, width);
  let [locked, basis] = [0, startOf(size, width)];
  let [missing, aligned] = [1 / ANGLE, false];
  for (let cycle = 0; cycle < MAX_CYCLES; cycle++) {
    const moved = mapped(matrix, bounds.cut);
    for (const degree of degrees(missing, aligned, bounds)) {
      const free = columnRange(basis, locked, width);
      const image = await filter(products, moved, free, degree);
      const norms = columnNorms(image);
      const next: Matrix | undefined = await orthonormalBasis(
        multiply,
        besides([
          columnRange(basis, 0, locked),
          scaleColumns(
            image,
            norms.map((norm) => 1 / norm),
          ),
        ]),
      );
      if (next === undefined) return undefined;
      basis = next;
    }
    basis = await straightened(multiply, basis);
    const image = await operator.image(basis);
    const { values, vectors } = await symmetricEigen(
      multiply,
      await multiply(basis, image, { a: true }),
    );
    basis = await multiply(basis, vectors);
    const turned = await multiply(image, vectors);
    const lowest = values.at(-1)!;
    const wanted = values[count - 1]!;
    const angles = anglesOf(basis, turned, values.subarray(0, count), lowest);
    const angle = Math.sqrt(angles.reduce((sum, value) => sum + value ** 2, 0) / count);
    if (angle <= ANGLE) {
      // M V, which is at hand, is nearer than V by what a step of power iteration takes away.
      const inverse = values.subarray(0, count).map((value) => 1 / value);
      const powered = scaleColumns(columnRange(turned, 0, count), inverse);
      return { values: values.slice(0, count), vectors: await straightened(multiply, powered) };
    }
    if (!(lowest > 0 && angle > 0)) return undefined;
    const above = Math.min(
      values.findIndex((value) => !(value > LOCKED * wanted)),
      count - 1,
    );
    aligned = above <= locked;
    missing = aligned ? Math.min(Math.max(...angles) / ANGLE, 1 / ANGLE) : 1 / ANGLE;
    if (above > 0) {
      const found = await sharpened(products, operator, columnRange(turned, 0, above));
      if (found === undefined) return undefined;
      matrix = await projectedOff(products, operator, found);
      basis = besides([found, columnRange(basis, above, width)]);
    }
    if (!aligned) bounds = estimatedBounds(matrix, count - above, width - above);
    locked = above;
    const cut = Math.min(bounds.cut, 0.98 * Math.max(wanted, bounds.wanted));
    const radius = aligned ? values[locked]! : Math.max(values[locked]!, bounds.radius);
    bounds = { wanted: Math.max(wanted, aligned ? 0 : bounds.wanted), cut, radius };
  }
  return undefined;
}

/** Further power steps on directions far above the others, which each makes many times nearer. */
async function sharpened(
  { multiply }: Products,
  operator: Operator,
  start: Matrix,
): Promise<Matrix | undefined> {
  let v: Matrix | undefined = start;
  for (let step = 0; step < 2 && v !== undefined; step++) {
    const image = await operator.image(v);
    const inverse = columnNorms(image).map((norm) => 1 / norm);
    v = await orthonormalBasis(multiply, scaleColumns(image, inverse));
  }
  return v && straightened(multiply, v);
}

/** (I − V Vᵀ) M (I − V Vᵀ), computed in fp64: what fp32 would round of M is more than what remains. */
async function projectedOff(
  { multiply }: Products,
  operator: Operator,
  v: Matrix,
): Promise<SingleMatrix> {
  const image = await operator.image(v);
  const inner = await multiply(v, await multiply(v, image, { a: true }));
  const outer = await multiply(v, combined(1, image, -0.5, inner), { b: true });
  const { data, ...shape } = await operator.matrix();
  for (let i = 0; i < shape.rows; i++) {
    for (let j = 0; j < shape.columns; j++) {
      const [place, mirrored] = [i * shape.columns + j, j * shape.columns + i];
      data[place]! -= outer.data[place]! + outer.data[mirrored]!;
    }
  }
  return toSingle({ ...shape, data });
}

/** At most the residuals over the distance to the eigenvalues that are not in the basis. */
function anglesOf(basis: Matrix, image: Matrix, values: Float64Array, lowest: number) {
  const { rows, columns } = basis;
  const squares = new Float64Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < values.length; j++) {
      const place = i * columns + j;
      squares[j]! += (image.data[place]! - values[j]! * basis.data[place]!) ** 2;
    }
  }
  return squares.map((square, j) => Math.sqrt(square) / (values[j]! - lowest));
}

/** Eigenvalues about: of the last wanted direction, of the last in the basis, and the largest. */
interface Bounds {
  readonly wanted: number;
  readonly cut: number;
  readonly radius: number;
}

function estimatedBounds(matrix: SingleMatrix, count: number, width: number): Bounds {
  const spectrum = estimateSpectrum(toDouble(matrix), 20);
  const [wanted, cut] = [count, width].map((above) =>
    estimatedQuantile(spectrum, 1 - above / matrix.rows),
  ) as [number, number];
  return { wanted, cut, radius: spectrum.radius };
}

/** Degrees of filters that together raise the wanted directions by `missing` above those below the cut. */
function degrees(missing: number, aligned: boolean, { wanted, cut, radius }: Bounds): number[] {
  // A few eigenvalues far above all others hide those from the estimate: they are found first.
  if (!(cut > 0 && radius > cut && (aligned || radius < STEEP * cut))) return [1, 1];
  const growth = Math.acosh((2 * radius) / cut - 1);
  const least = Math.acosh((2 * Math.max(wanted, 1.05 * cut)) / cut - 1);
  const needed = Math.ceil((Math.log(missing) + 4) / least);
  const atMost = (amplification: number) =>
    Math.max(1, Math.floor(Math.log(2 * amplification) / growth));
  if (aligned) {
    const most = Math.max(1, Math.floor(Math.log(MAX_AMPLIFICATION.aligned) / (growth - least)));
    return parts(needed, most);
  }
  const last = Math.min(needed, atMost(MAX_AMPLIFICATION.last));
  return [...parts(needed - last, atMost(MAX_AMPLIFICATION.start)), last];
}

/** As few nearly equal parts of at most `most` as make up `total`, and no more than MAX_PASSES. */
function parts(total: number, most: number): number[] {
  const count = Math.min(Math.ceil(total / most), MAX_PASSES);
  return Array.from({ length: count }, () => Math.min(most, Math.ceil(total / count)));
}

/** (4 / cut) M − 2 I: what lies in [0, cut] comes to lie in [−2, 2]. */
function mapped({ rows, columns, data }: SingleMatrix, cut: number): SingleMatrix {
  const moved = new Float32Array(data.length);
  const factor = 4 / cut;
  for (let i = 0; i < moved.length; i++) moved[i] = factor * data[i]!;
  for (let i = 0; i < moved.length; i += columns + 1) moved[i]! -= 2;
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
