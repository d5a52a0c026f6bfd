/**
 * Chebyshev filters for subspace iteration (Zhou, Saad, Tiago & Chelikowsky 2006): in fp32, with the
 * matrix mapped so that what shall vanish lies in [−2, 2].
 */
import type { Matrix } from './matrix.ts';
import { randomMatrix } from './orthonormal.ts';
import { toDouble, toSingle, type ChainStep, type Products, type SingleMatrix } from './single.ts';

/** Eigenvalues about: of the last wanted direction, of the last in the basis, and the largest. */
export interface Bounds {
  readonly wanted: number;
  readonly cut: number;
  readonly radius: number;
}

/** What a start at random may lack beside what is asked for, as a logarithm; one more Rayleigh–Ritz step costs far more. */
const MARGIN = 6;

/** Filters between two Rayleigh–Ritz steps. */
const MAX_PASSES = 8;

/** What a filter may amplify before the basis is made orthonormal: fp32 keeps seven digits of it, and what it loses the last must take away. */
const MAX_AMPLIFICATION = { start: 1e5, last: 30, aligned: 1e5 } as const;

/**
 * Degrees of filters that together raise the wanted directions by `missing` above those below the cut, for
 * a basis at random or of Ritz vectors.
 */
export function degrees(
  missing: number,
  aligned: boolean,
  { wanted, cut, radius }: Bounds,
): number[] {
  const growth = growthOf(radius, cut);
  const least = growthOf(Math.max(wanted, 1.02 * cut), cut);
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

/** By which power of e a degree raises an eigenvalue above the cut. */
export function growthOf(value: number, cut: number): number {
  return Math.acosh((2 * value) / cut - 1);
}

/** As few nearly equal parts of at most `most` as make up `total`, and no more than MAX_PASSES. */
function parts(total: number, most: number): number[] {
  const count = Math.min(Math.ceil(total / most), MAX_PASSES);
  return Array.from({ length: count }, () => Math.min(most, Math.ceil(total / count)));
}

/** (4 / cut) M − 2 I: what lies in [0, cut] comes to lie in [−2, 2]. */
export function mapped({ rows, columns, data }: SingleMatrix, cut: number): SingleMatrix {
  const moved = new Float32Array(data.length);
  const factor = 4 / cut;
  for (let i = 0; i < moved.length; i++) moved[i] = factor * data[i]!;
  for (let i = 0; i < moved.length; i += columns + 1) moved[i] = factor * data[i]! - 2;
  return { rows, columns, data: moved };
}

/** The Chebyshev polynomial of M that is small on what was mapped and grows above, of `start`. */
export async function filtered(
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

/** At most the residuals over the distance to the eigenvalues that are not in the basis. */
export function anglesOf(
  basis: Matrix,
  image: Matrix,
  values: Float64Array,
  last: number,
): Float64Array {
  return residualNorms(basis, image, values).map(
    (residual, j) => residual / Math.abs(values[j]! - last),
  );
}

/** ‖G v − λ v‖ for the columns v of the basis and their images. */
export function residualNorms(basis: Matrix, image: Matrix, values: Float64Array): Float64Array {
  const { rows, columns } = basis;
  const squares = new Float64Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < values.length; j++) {
      const place = i * columns + j;
      squares[j]! += (image.data[place]! - values[j]! * basis.data[place]!) ** 2;
    }
  }
  return squares.map(Math.sqrt);
}

/** Columns of a basis that is to hold `count` directions: the more, the fewer and the longer products. */
export function widthFor(size: number, count: number): number {
  return Math.min(size, 16 * Math.ceil((1.25 * count + 16) / 16));
}

const starts = new Map<string, Matrix>();

/** The same for the same size, kept because drawing it takes as long as a product. */
export function startOf(size: number, width: number): Matrix {
  const key = `${String(size)}×${String(width)}`;
  const start = starts.get(key) ?? randomMatrix(size, width, 'leading');
  if (starts.size >= 8) starts.clear();
  starts.set(key, start);
  return start;
}
