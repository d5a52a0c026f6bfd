/**
 * Polar factors to about six digits, which is what weights in fp32 can hold: one step of Halley's iteration
 * in fp64 lifts the small singular values, polynomials in fp32 bring all near 1, and a step of Newton and
 * Schulz in fp64 makes the result orthonormal.
 */
import { inverseCholesky } from './inverse-cholesky.ts';
import { distance, identity, shifted, type Matrix } from './matrix.ts';
import { polarSteps } from './minimax-polar.ts';
import { halleyStep, halleyWeights, lifted } from './polar-iteration.ts';
import { normalizedByPower } from './singular-values.ts';
import { toDouble, toSingle, type Products } from './single.ts';
import { estimateSpectrum } from './spectrum.ts';

/** Down to this share of the largest the first step lifts singular values enough. */
const LEAST = 1e-3;

/** More steps in fp64, for smaller singular values; what is left then is hardly determined. */
const MAX_STEPS = 3;

/** From here the last step leaves an error of about 1e-6: ‖XᵀX − I‖ for each column. */
const NEARLY_ORTHONORMAL = 3e-4;

/** The largest ‖QᵀA − (QᵀA)ᵀ‖ / ‖A‖ of a factor that is taken: a polar factor makes QᵀA symmetric. */
const ASYMMETRY = 2e-6;

const weights = halleyWeights(LEAST);
const steps = polarSteps(lifted(LEAST, weights), 1e-4);

/** Of A with rows ≥ columns; `undefined` where A is so near to lower rank that fp32 cannot tell. */
export async function singlePolar(products: Products, a: Matrix): Promise<Matrix | undefined> {
  const { multiply } = products;
  const { unit } = normalizedByPower(a);
  if (a.rows === a.columns) return squarePolar(products, unit);
  const gram = await multiply(unit, unit, { a: true });
  const inverse = await inverseCholesky(multiply, gram);
  if (inverse === undefined) return undefined;
  // A = (A Wᵀ) (W G) with W = L⁻¹ of G = L Lᵀ: orthonormal columns times a square matrix.
  const inner = await squarePolar(products, await multiply(inverse, gram));
  if (inner === undefined) return undefined;
  return multiply(unit, await multiply(inverse, inner, { a: true }));
}

async function squarePolar(products: Products, a: Matrix): Promise<Matrix | undefined> {
  const { multiply } = products;
  const gram = await multiply(a, a, { a: true });
  const square = estimateSpectrum(gram, 8).radius;
  if (!(square > 0)) return undefined;
  const scale = 1 / Math.sqrt(square);
  const scaled = { ...a, data: a.data.map((value) => value * scale) };
  let next: Matrix = { ...gram, data: gram.data.map((value) => value / square) };
  let x: Matrix = scaled;
  for (let step = 0; step < MAX_STEPS; step++) {
    const image: Matrix | undefined = await halleyStep(multiply, x, next, weights);
    if (image === undefined) return undefined;
    const factor = await finished(products, image);
    if (factor !== undefined) {
      return (await asymmetry(products, factor, scaled)) <= ASYMMETRY ? factor : undefined;
    }
    x = image;
    next = await multiply(x, x, { a: true });
  }
  return undefined;
}

/** Of X with singular values from that of the first step to 1; `undefined` where some are smaller. */
async function finished({ multiply, chain }: Products, x: Matrix): Promise<Matrix | undefined> {
  const rough = toDouble(await chain(steps, { x: toSingle(x) }));
  const gram = await multiply(rough, rough, { a: true });
  const defect = distance(gram, identity(x.columns));
  if (!(defect <= NEARLY_ORTHONORMAL * Math.sqrt(x.columns))) return undefined;
  return multiply(rough, shifted(gram, -0.5, 1.5));
}

const product = [{ result: 'product', a: 'a', b: 'b', transposeA: true }];

async function asymmetry({ chain }: Products, factor: Matrix, x: Matrix): Promise<number> {
  const inputs = { a: toSingle(factor), b: toSingle(x) };
  const { data, columns: size } = await chain(product, inputs);
  let [difference, all] = [0, 0];
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) {
      difference += (data[i * size + j]! - data[j * size + i]!) ** 2;
      all += data[i * size + j]! ** 2 + data[j * size + i]! ** 2;
    }
    all += data[i * size + i]! ** 2;
  }
  return Math.sqrt((2 * difference) / all);
}
