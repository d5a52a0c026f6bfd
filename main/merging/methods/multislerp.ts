/**
 * mergekit's barycentre on a sphere. Its step through the tangent space at the weighted mean direction
 * has no effect: the weighted sum of the directions has no part that is tangent to itself. What
 * remains is the mean direction with the mean length.
 */
import { changed } from '../elementwise/combinations.ts';
import { lengthsOf, productOf } from '../elementwise/interpolation.ts';
import { weight } from '../elementwise/parameters.ts';
import { productsOf, productsPass, type Products } from '../elementwise/tensor-products.ts';
import { meanDivisor, weightsOf } from '../elementwise/weights.ts';
import { defineMethod } from '../method.ts';

const LEAST_LENGTH = 1e-8;

const parameters = {
  normalize: {
    kind: 'boolean',
    title: 'Divide by the weights',
    default: true,
    help: 'Whether the weights are divided by their sum first (mergekit: normalize_weights).',
  },
} as const;

const perExpert = { weight } as const;

export const multislerp = defineMethod<typeof parameters, typeof perExpert, Products>({
  id: 'multislerp',
  title: 'Multi-SLERP',
  family: 'geometric',
  paper: {
    title: 'Multi-SLERP (Goddard 2025)',
    url: 'https://goddard.blog/posts/multislerp-wow-what-a-cool-idea',
  },
  summary:
    'Averages the directions of all experts, or of their task vectors where there is a base, and gives the result their average length. ' +
    'Experts that point away from each other do not shorten it.',
  formula: 'θ = θ0 + (Σ wk ‖τk‖) u / ‖u‖, u = Σ wk τk / ‖τk‖',
  follows:
    'mergekit; directions that cancel are averaged in a straight line, where mergekit may give up',
  inputs: { base: 'optional', experts: { min: 1 } },
  parameters,
  perExpert,
  laws: {
    base_copies: {},
    single_expert: { normalize: true },
    power_of_two: {},
    negation: {},
    sharding: {},
  },
  unit: 'value',
  passes: () => [productsPass('task_vectors')],

  merge(group, { normalize }, { prepared, settings }) {
    const divisor = normalize ? meanDivisor(settings, 'multislerp') : 1;
    const weights = weightsOf(settings).map((own) => own / divisor);
    if (weights.length === 1) return changed(group, [1]);
    const products = productsOf(prepared, group);
    const lengths = lengthsOf(products);
    const directions = weights.map((own, k) => (lengths[k] === 0 ? 0 : own / lengths[k]!));
    const length = Math.sqrt(Math.max(0, productOf(products, directions, directions)));
    if (length < LEAST_LENGTH) return changed(group, weights);
    const mean = weights.reduce((sum, own, k) => sum + own * lengths[k]!, 0);
    return changed(
      group,
      directions.map((own) => (own * mean) / length),
    );
  },
});
