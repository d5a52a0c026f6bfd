/**
 * Polar factors to about six digits, which is what weights in fp32 can hold: one step of Halley's iteration
 * in fp64 lifts the small singular values, polynomials in fp32 bring all near 1, and a step of Newton and
 * Schulz makes the result orthonormal.
 */
import { gramOf } from './gram.ts';
import { inverseCholesky } from './inverse-cholesky.ts';
import type { Matrix, Multiply } from './matrix.ts';
import { polarSteps } from './minimax-polar.ts';
import { randomMatrix } from './orthonormal.ts';
import { halleyStep, halleyWeights, lifted } from './polar-iteration.ts';
import { normalizedByPower } from './singular-values.ts';
import { toDouble, toSingle, type ChainStep, type Products, type RunChain } from './single.ts';
import { estimateSingleSpectrum } from './spectrum.ts';

/**
 * Down to which shares of the largest the first step may have to lift singular values: the larger, the fewer
 * polynomials follow. Smaller ones would cost digits of fp64, and are hardly determined.
 */
const LEAST = [0.3, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6] as const;

/** From here on fp32 can do the whole. */
const WELL_CONDITIONED = 0.1;

/** Of ‖XᵀX − I‖ for each column, before the last step. */
const NEARLY_ORTHONORMAL = 3e-4;

/** The largest ‖QᵀA − (QᵀA)ᵀ‖ / ‖A‖ of a factor that is taken: a polar factor makes QᵀA symmetric. */
const ASYMMETRY = 2e-6;

interface Program {
  readonly weights: ReturnType<typeof halleyWeights> | undefined;
  readonly steps: readonly ChainStep[];
}

const programs = new Map(
  LEAST.map((least): [number, Program] => {
    const weights = least >= WELL_CONDITIONED ? undefined : halleyWeights(least);
    const low = weights === undefined ? least : lifted(least, weights);
    return [least, { weights, steps: polarSteps(low, 1e-4) }];
  }),
);

/** Of A with rows ≥ columns; `undefined` where A is so near to lower rank that fp32 cannot tell. */
export async function singlePolar(products: Products, a: Matrix): Promise<Matrix | undefined> {
  const { multiply, chain } = products;
  const { unit } = normalizedByPower(a);
  const gram = await gramOf(multiply, unit);
  const { radius } = await estimateSingleSpectrum(chain, toSingle(gram), 8);
  if (!(radius > 0)) return undefined;
  const normal = { ...gram, data: gram.data.map((value) => value / radius) };
  const inverse = await inverseCholesky(multiply, normal);
  if (inverse === undefined) return undefined;
  const smallest = await smallestOf(chain, inverse);
  const least = LEAST.find((share) => share <= smallest);
  if (least === undefined) return undefined;
  const square = a.rows === a.columns;
  // A = (A Wᵀ) (W G) with W = L⁻¹ of G = L Lᵀ: orthonormal columns times a square matrix.
  const scale = 1 / Math.sqrt(radius);
  const inner = square
    ? { ...unit, data: unit.data.map((value) => value * scale) }
    : await multiply(inverse, normal);
  const factor = await squarePolar(products, inner, normal, programs.get(least)!);
  if (factor === undefined || square) return factor;
  const root = await multiply(inverse, factor, { a: true });
  root.data.forEach((value, i) => (root.data[i] = value * scale));
  if (least < WELL_CONDITIONED) return multiply(unit, root);
  return toDouble(await chain(plain, { a: toSingle(unit), b: toSingle(root) }));
}

/** About the smallest singular value of G's root, from below, of W with WᵀW = G⁻¹. */
async function smallestOf(chain: RunChain, w: Matrix): Promise<number> {
  const single = toSingle(w);
  let largest = 0;
  let x = toSingle(randomMatrix(1, w.columns, 'smallest'));
  for (let step = 0; step < 6; step++) {
    const { data } = await chain(throughInverse, { x, w: single });
    const norm = Math.sqrt(data.reduce((sum, value) => sum + value ** 2, 0));
    largest = step === 0 ? 0 : norm;
    x = { ...x, data: data.map((value) => value / norm) };
  }
  return 0.7 / Math.sqrt(largest);
}

const throughInverse: readonly ChainStep[] = [
  { result: 'half', a: 'x', b: 'w', transposeB: true },
  { result: 'image', a: 'half', b: 'w' },
];

const plain: readonly ChainStep[] = [{ result: 'product', a: 'a', b: 'b' }];

/** Of X with XᵀX = `gram` and singular values in [least, 1]. */
async function squarePolar(
  { multiply, chain }: Products,
  x: Matrix,
  gram: Matrix,
  { weights, steps }: Program,
): Promise<Matrix | undefined> {
  const start = weights === undefined ? x : await halleyStep(multiply, x, gram, weights);
  if (start === undefined) return undefined;
  const rough = await chain(steps, { x: toSingle(start) });
  // XᵀX − I, small numbers: what fp32 rounds off them does not count.
  const { data } = await chain(gramOfSingle, { x: rough });
  const defect = new Float32Array(data.length);
  let sum = 0;
  for (let i = 0; i < defect.length; i++) {
    const value = data[i]! - (i % (rough.columns + 1) === 0 ? 1 : 0);
    defect[i] = value;
    sum += value ** 2;
  }
  if (!(Math.sqrt(sum / rough.columns) <= NEARLY_ORTHONORMAL)) return undefined;
  const change = await chain(plain, { a: rough, b: { ...rough, data: defect } });
  const factor = toDouble(rough);
  for (let i = 0; i < factor.data.length; i++) factor.data[i]! -= change.data[i]! / 2;
  return (await asymmetry(multiply, factor, x)) <= ASYMMETRY ? factor : undefined;
}

const gramOfSingle: readonly ChainStep[] = [{ result: 'gram', a: 'x', b: 'x', transposeA: true }];

/** ‖(QᵀX − XᵀQ) Z‖ / (‖X‖ ‖Z‖) on a few random columns, about ‖QᵀX − XᵀQ‖ / ‖X‖. */
async function asymmetry(multiply: Multiply, q: Matrix, x: Matrix): Promise<number> {
  const z = randomMatrix(x.columns, 8, 'asymmetry');
  const one = await multiply(q, await multiply(x, z), { a: true });
  const other = await multiply(x, await multiply(q, z), { a: true });
  let difference = 0;
  for (let i = 0; i < one.data.length; i++) difference += (one.data[i]! - other.data[i]!) ** 2;
  const all = x.data.reduce((sum, value) => sum + value ** 2, 0);
  return Math.sqrt(difference / 8 / all);
}
