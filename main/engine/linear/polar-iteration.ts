/**
 * The orthogonal polar factor by the dynamically weighted Halley iteration (Nakatsukasa, Bai & Gygi
 * 2010, eq. 3.5; in the form with a Cholesky factor of section 4):
 * X ← (b/c) X + (a − b/c) X (I + c XᵀX)⁻¹, with a, b, c from a lower bound of the singular values.
 */
import { gramOf, symmetricProduct } from './gram.ts';
import { inverseCholesky } from './inverse-cholesky.ts';
import { combined, distance, shifted, type Matrix, type Multiply } from './matrix.ts';

const MAX_STEPS = 14;

/** Weights for smaller bounds would give I + c XᵀX a condition above 10⁴, and cost as many digits. */
const LEAST_BOUND = 1e-3;

/** Where steps change less, the next would change nothing: the error falls with its third power. */
const LAST_CHANGE = 1e-6;

/**
 * Polar factor of X, with rows ≥ columns and a largest singular value of at most about 1. The fewer
 * steps the nearer `bound` is to the smallest singular value; a `symmetric` X costs less. `undefined` where a singular value is below about 1e-9:
 * the factor is then hardly determined, and not found this way.
 */
export async function polarIteration(
  multiply: Multiply,
  matrix: Matrix,
  bound: number,
  symmetric = false,
): Promise<Matrix | undefined> {
  let x = matrix;
  let least = bound;
  for (let step = 0; step < MAX_STEPS; step++) {
    const weights = halleyWeights(Math.max(least, LEAST_BOUND));
    least = Math.min(1, lifted(least, weights));
    const next = await halleyStep(multiply, x, await gramOf(multiply, x), weights, symmetric);
    if (next === undefined) return undefined;
    const change = distance(next, x);
    x = next;
    if (change <= LAST_CHANGE * Math.sqrt(x.columns)) {
      return finished(multiply, x, symmetric);
    }
  }
  return undefined;
}

export interface HalleyWeights {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** What a step makes of a singular value. */
export function lifted(value: number, { a, b, c }: HalleyWeights): number {
  return (value * (a + b * value ** 2)) / (1 + c * value ** 2);
}

/** One step from X, whose Gram matrix is overwritten. */
export async function halleyStep(
  multiply: Multiply,
  x: Matrix,
  gram: Matrix,
  { a, b, c }: HalleyWeights,
  symmetric = false,
): Promise<Matrix | undefined> {
  const inverse = await inverseCholesky(multiply, shifted(gram, c, 1));
  if (inverse === undefined) return undefined;
  const solved = await productWith(multiply, x, await gramOf(multiply, inverse), symmetric);
  return combined(b / c, x, a - b / c, solved);
}

/** The best weights for singular values in [bound, 1]. */
export function halleyWeights(bound: number): HalleyWeights {
  const square = bound ** 2;
  const d = Math.cbrt((4 * (1 - square)) / square ** 2);
  const root = Math.sqrt(1 + d);
  const a = root + Math.sqrt(8 - 4 * d + (8 * (2 - square)) / (square * root)) / 2;
  const b = (a - 1) ** 2 / 4;
  return { a, b, c: a + b - 1 };
}

/** X S for a symmetric S that commutes with X where X is symmetric. */
function productWith(
  multiply: Multiply,
  x: Matrix,
  s: Matrix,
  symmetric: boolean,
): Promise<Matrix> {
  return symmetric ? symmetricProduct(multiply, x, s) : multiply(x, s);
}

/** The nearest matrix with orthonormal columns, by X (3 I − XᵀX) / 2, of an X that has nearly such. */
async function finished(
  multiply: Multiply,
  x: Matrix,
  symmetric: boolean,
): Promise<Matrix | undefined> {
  const defect = shifted(await gramOf(multiply, x), 1, -1);
  if (!defect.data.every((value) => Math.abs(value) < 1e-6)) return undefined;
  return productWith(multiply, x, shifted(defect, -0.5, 1), symmetric);
}
