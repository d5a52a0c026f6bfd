/**
 * Polar factors to about six digits, which is what weights in fp32 can hold: one step of Halley's iteration
 * in fp64 lifts the small singular values, polynomials in fp32 bring all near 1, and a step of Newton and
 * Schulz makes the result orthonormal.
 */
import { normalGramOf } from './gram.ts';
import { inverseCholesky } from './inverse-cholesky.ts';
import { residualNorms, startOf } from './chebyshev-filter.ts';
import {
  columnNorms,
  combined,
  rescaled,
  scaleColumns,
  scaled,
  type Matrix,
  type Multiply,
} from './matrix.ts';
import { polarSteps } from './minimax-polar.ts';
import { orthonormalBasis, randomMatrix } from './orthonormal.ts';
import { halleyStep, halleyWeights, lifted } from './polar-iteration.ts';
import {
  toDouble,
  toSingle,
  type ChainStep,
  type Products,
  type RunChain,
  type SingleMatrix,
} from './single.ts';
import { estimateSingleSpectrum } from './spectrum.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

/**
 * Down to which share of the largest the first step lifts singular values to where three polynomials do the rest.
 * Smaller ones are met by more polynomials.
 */
const weights = halleyWeights(1e-4);

/** How far from 1 the last polynomial may leave singular values: the last step squares it. */
const ROUGH = 1e-4;

const steps = polarSteps(lifted(1e-4, weights), ROUGH);

/** For what is not near 1 after that, where it is not a few directions alone. */
const moreSteps = polarSteps(0.4, ROUGH);
const MORE = 2;

/** Directions that are lifted one by one, what must have come of their singular values, and by how much each may turn. */
const FEW = { count: 16, least: 0.03, turn: 2e-5 } as const;

/** Of ‖XᵀX − I‖ for each column, before the last step. */
const NEARLY_ORTHONORMAL = 3e-4;

/** Of W, about 1/σ² of the smallest singular value: of squares more would leave fp64 no digits. */
const LARGEST_SQUARE = 1e12;

/** Mean of 1/σ² up to which A Wᵀ can be had in fp32: its square root is lost of the digits. */
const EVEN = 1000;

/** The largest ‖QᵀA − (QᵀA)ᵀ‖ / ‖A‖ of a factor that is taken: a polar factor makes QᵀA symmetric. */
const ASYMMETRY = 2e-6;

/** Of A with rows ≥ columns; `undefined` where A is so near to lower rank that fp32 cannot tell. */
export async function singlePolar(
  products: Products,
  a: Matrix,
  known?: Awaited<ReturnType<typeof normalGramOf>>,
): Promise<Matrix | undefined> {
  const { multiply, chain } = products;
  const { gram, power } = known ?? (await normalGramOf(multiply, a));
  const spectrum = await estimateSingleSpectrum(chain, toSingle(gram), 12);
  // Above 1 the polynomials grow fast.
  const radius = 1.05 * spectrum.radius;
  if (!(radius > 0)) return undefined;
  // One that was given is used afterwards.
  const normal = known ? scaled(gram, 1 / radius) : rescaled(gram, 1 / radius);
  const scale = 1 / (power * Math.sqrt(radius));
  if (a.rows === a.columns) return squarePolar(products, scaled(a, scale), normal);
  // A = (A Wᵀ) (W G) with W = L⁻¹ of G = L Lᵀ: orthonormal columns times a square matrix.
  const inverse = await inverseCholesky(multiply, normal);
  if (inverse === undefined) return undefined;
  const square = squareOf(inverse);
  if (!(square <= LARGEST_SQUARE)) return undefined;
  const factor = await squarePolar(products, await multiply(inverse, normal), normal);
  if (factor === undefined) return undefined;
  const root = scaled(await multiply(inverse, factor, { a: true }), scale);
  if (square > EVEN * a.columns) return multiply(a, root);
  return toDouble(await chain(plain, { a: toSingle(a), b: toSingle(root) }));
}

const plain: readonly ChainStep[] = [{ result: 'product', a: 'a', b: 'b' }];

/** Of X with XᵀX = `gram` and a largest singular value of about 1. */
async function squarePolar(
  products: Products,
  x: Matrix,
  gram: Matrix,
): Promise<Matrix | undefined> {
  const { multiply, chain } = products;
  const start = await halleyStep(multiply, x, gram, weights);
  if (start === undefined) return undefined;
  let rough = await chain(steps, { x: toSingle(start) });
  let defect = await defectOf(chain, rough);
  for (let more = 0; !(lengthOf(defect) <= NEARLY_ORTHONORMAL); more++) {
    if (more > MORE) return undefined;
    const next = more === 0 ? await liftedFew(products, rough, defect) : undefined;
    rough = next ?? (await chain(moreSteps, { x: rough }));
    defect = await defectOf(chain, rough);
  }
  const factor = toDouble(await chain(straighten, { a: rough, b: defect }));
  return (await asymmetry(multiply, factor, x)) <= ASYMMETRY ? factor : undefined;
}

/**
 * X V diag(1/σ) Vᵀ instead of X V Vᵀ for the directions V of the smallest singular values, which are all that D = XᵀX − I has:
 * a few steps of power iteration with D find them. `undefined` where they are too many or too small.
 */
async function liftedFew(
  { multiply, chain }: Products,
  x: SingleMatrix,
  defect: SingleMatrix,
): Promise<SingleMatrix | undefined> {
  const d = toDouble(defect);
  let basis: Matrix | undefined = startOf(x.columns, Math.min(FEW.count, x.columns));
  for (let pass = 0; pass < 2; pass++) {
    basis = await orthonormalBasis(multiply, await multiply(d, basis));
    if (basis === undefined) return undefined;
  }
  const along = await multiply(d, basis);
  const inner = await multiply(basis, along, { a: true });
  const { values, vectors } = await symmetricEigen(multiply, inner);
  const v = await multiply(basis, vectors);
  const misses = residualNorms(v, await multiply(along, vectors), values);
  const image = toDouble(await chain(plain, { a: x, b: toSingle(v) }));
  const sigma = columnNorms(image);
  const lags = (i: number) => Math.abs(values[i]!) > 8 * ROUGH;
  const rises = sigma.map((value, i) => (lags(i) ? 1 / value - 1 : 0));
  for (const [i, value] of sigma.entries()) {
    // Where there are more than these, V are not singular vectors, and would turn the polar factor.
    const turn = Math.abs((rises[i]! * misses[i]!) / values[i]!);
    if (lags(i) && !(value >= FEW.least && turn <= FEW.turn)) return undefined;
  }
  const change = scaleColumns(image, rises);
  return chain(added, { a: toSingle(change), b: toSingle(v), x });
}

const added: readonly ChainStep[] = [
  { result: 'sum', a: 'a', b: 'b', transposeB: true, plus: 'x' },
];

/** X − X D / 2. */
const straighten: readonly ChainStep[] = [
  { result: 'straight', a: 'a', b: 'b', alpha: -0.5, plus: 'a' },
];

/** XᵀX − I, small numbers: what fp32 rounds off them does not count. */
async function defectOf(chain: RunChain, x: SingleMatrix): Promise<SingleMatrix> {
  const gram = await chain(gramOfSingle, { x });
  for (let i = 0; i < gram.data.length; i += gram.columns + 1) gram.data[i]! -= 1;
  return gram;
}

const gramOfSingle: readonly ChainStep[] = [{ result: 'gram', a: 'x', b: 'x', transposeA: true }];

/** Root mean square of the lengths of the columns. */
function lengthOf(matrix: SingleMatrix): number {
  return Math.sqrt(squareOf(matrix) / matrix.columns);
}

function squareOf({ data }: Matrix | SingleMatrix): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i]! * data[i]!;
  return sum;
}

/** ‖(QᵀX − XᵀQ) Z‖ / (‖X‖ ‖Z‖) on a few random columns, about ‖QᵀX − XᵀQ‖ / ‖X‖. */
async function asymmetry(multiply: Multiply, q: Matrix, x: Matrix): Promise<number> {
  const z = randomMatrix(x.columns, 8, 'asymmetry');
  const one = await multiply(q, await multiply(x, z), { a: true });
  const other = await multiply(x, await multiply(q, z), { a: true });
  return Math.sqrt(squareOf(combined(1, one, -1, other)) / 8 / squareOf(x));
}
