/**
 * The Riemannian (Karcher) mean of directions on the unit sphere, found by going along the mean of the
 * tangents until it vanishes. All steps stay within the span of the inputs, so they are taken on the
 * factors of the inputs, which their inner products suffice for.
 */
import { combined } from '../elementwise/combinations.ts';
import { lengthsOf, productOf } from '../elementwise/interpolation.ts';
import { weight } from '../elementwise/parameters.ts';
import { productsOf, productsPass, type Products } from '../elementwise/tensor-products.ts';
import { meanDivisor, weightsOf } from '../elementwise/weights.ts';
import { defineMethod } from '../method.ts';

const parameters = {
  max_iter: {
    kind: 'integer',
    title: 'Iterations at most',
    default: 10,
    range: { min: 1, max: 1000 },
    help: 'The mean is refined until it moves less than the tolerance, at most this often.',
  },
  tol: {
    kind: 'number',
    title: 'Tolerance',
    default: 1e-5,
    range: { min: 1e-12, max: 0.1 },
    help: 'An angle in radians: the refinement ends when the mean would move less.',
  },
} as const;

const perExpert = { weight } as const;

export const karcher = defineMethod<typeof parameters, typeof perExpert, Products>({
  id: 'karcher',
  title: 'Karcher mean',
  family: 'geometric',
  paper: {
    title: 'Riemannian center of mass and mollifier smoothing (Karcher 1977)',
    url: 'https://doi.org/10.1002/cpa.3160300502',
  },
  summary:
    'Finds the direction whose squared angles to all experts are least, tensor by tensor, and gives it their average length. ' +
    'The base model has no influence unless it is listed as an expert.',
  formula: 'θ = (Σ wk ‖θk‖) argmin_u Σ wk ∠(u, θk)², ‖u‖ = 1, Σ wk = 1',
  follows: 'mergekit, which has no weights',
  inputs: { base: 'unused', experts: { min: 1 } },
  parameters,
  perExpert,
  laws: {
    base_unused: {},
    single_expert: {},
    identical_experts: { weight: 1 },
    negation: {},
    sharding: {},
  },
  unit: 'value',
  passes: () => [productsPass('experts')],

  merge(group, { max_iter: most, tol }, { prepared, settings }) {
    if (settings.length === 1) return combined(group, [1], 0);
    const sum = meanDivisor(settings, 'karcher');
    const weights = weightsOf(settings).map((own) => own / sum);
    const products = productsOf(prepared, group);
    const lengths = lengthsOf(products);
    const size = weights.reduce((total, own, k) => total + own * lengths[k]!, 0);
    const mean = meanDirection(products, lengths, weights, most, tol);
    return combined(
      group,
      mean.map((factor) => size * factor),
      0,
    );
  },
});

/** The factors of the vectors in the mean; zero where all of them are. */
function meanDirection(
  products: Float64Array,
  lengths: readonly number[],
  weights: readonly number[],
  most: number,
  tol: number,
): readonly number[] {
  const present = lengths.map((length) => length > 0);
  const all = weights.reduce((sum, own, k) => sum + (present[k] === true ? own : 0), 0);
  // Divided by the length, so that the factors are those of unit vectors.
  const shares = weights.map((own, k) => (present[k] === true ? own / all : 0));
  const units = lengths.map((length, k) => (present[k] === true ? 1 / length : 0));
  if (!present.includes(true)) return units;
  let mean: readonly number[] = shares.map((share, k) => share * units[k]!);
  if (lengthOf(products, mean) < tol)
    mean = units.map((unit, k) => (k === present.indexOf(true) ? unit : 0));
  mean = normalized(products, mean);
  for (let step = 0; step < most; step++) {
    const tangent = meanTangent(products, mean, units, shares, tol);
    const angle = lengthOf(products, tangent);
    if (angle < tol) break;
    const [along, across] = [Math.cos(angle), Math.sin(angle) / angle];
    mean = normalized(
      products,
      mean.map((factor, k) => along * factor + across * tangent[k]!),
    );
  }
  return mean;
}

/** Σ wk log_mean(uk), with the logarithm of the sphere. */
function meanTangent(
  products: Float64Array,
  mean: readonly number[],
  units: readonly number[],
  shares: readonly number[],
  tol: number,
): readonly number[] {
  let alongMean = 0;
  const factors = units.map((unit, k) => {
    if (unit === 0) return 0;
    const own = units.map((_, j) => (j === k ? unit : 0));
    const cosine = Math.max(-1, Math.min(1, productOf(products, mean, own)));
    const angle = Math.acos(cosine);
    // No direction leads to the opposite pole.
    if (angle < tol || Math.PI - angle < tol) return 0;
    const pull = shares[k]! * (angle / Math.sin(angle));
    alongMean += pull * cosine;
    return pull * unit;
  });
  return factors.map((factor, k) => factor - alongMean * mean[k]!);
}

function lengthOf(products: Float64Array, factors: readonly number[]): number {
  return Math.sqrt(Math.max(0, productOf(products, factors, factors)));
}

function normalized(products: Float64Array, factors: readonly number[]): readonly number[] {
  const length = lengthOf(products, factors);
  return length === 0 ? factors : factors.map((factor) => factor / length);
}
