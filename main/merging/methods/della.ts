import { density, election, lambda, rescale, weight } from '../elementwise/parameters.ts';
import { electThinned } from '../elementwise/thinned-methods.ts';
import { rankedThinning, type Prepared } from '../elementwise/thinnings.ts';
import { defineMethod } from '../method.ts';

const parameters = {
  lambda,
  rescale,
  ...election,
  merge: { ...election.merge, default: 'mean' },
} as const;

const perExpert = {
  weight,
  density,
  epsilon: {
    kind: 'number',
    title: 'Half-width ε',
    default: 0.05,
    range: { min: 0, max: 0.5 },
    help: 'The smallest change of a row is kept with a probability of the density less ε, the largest with one of the density and ε; both must lie between 0 and 1.',
  },
} as const;

export const della = defineMethod<typeof parameters, typeof perExpert, Prepared>({
  id: 'della',
  title: 'DELLA',
  family: 'sparse',
  paper: {
    title:
      'DELLA-Merging: reducing interference in model merging through magnitude-based sampling (Deep et al. 2024)',
    url: 'https://arxiv.org/abs/2406.11617',
  },
  summary:
    'Changes are dropped at random, the smaller ones of a row more often, and those kept are scaled up; at every weight the experts then elect a sign, and the changes of that sign are averaged. ' +
    'The seed decides which are dropped.',
  formula: 'θ = θ0 + λ mean { τ̃k : sign τ̃k = sign Σ τ̃j }, τ̃k,i = mk,i τk,i / pk,i',
  follows: "the authors' code",
  variants: { mergekit: { density: 1, epsilon: 0.15, rescale: 'l1', merge: 'weighted_mean' } },
  inputs: { base: 'required', experts: { min: 1 } },
  parameters,
  perExpert,
  laws: {
    base_copies: {},
    single_expert: { density: 1, rescale: 'none', lambda: 1, weight: 1 },
    identical_experts: { density: 1, rescale: 'none', lambda: 1, weight: 1, merge: 'mean' },
    zero_scale: { lambda: 0 },
    scale_linear: {},
    power_of_two: { rescale: 'none' },
    sharding: {},
  },
  unit: 'row',
  passes: (values) => rankedThinning.passes(values),
  merge: (group, values, context) => electThinned(rankedThinning, group, values, context),
});
