import { density, lambda, normalize, rescale, weight } from '../elementwise/parameters.ts';
import { sumThinned } from '../elementwise/thinned-methods.ts';
import { rankedThinning, type Prepared } from '../elementwise/thinnings.ts';
import { defineMethod } from '../method.ts';

const parameters = { lambda, normalize, rescale } as const;

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

export const dellaLinear = defineMethod<typeof parameters, typeof perExpert, Prepared>({
  id: 'della_linear',
  title: 'DELLA without election',
  family: 'sparse',
  paper: {
    title:
      'DELLA-Merging: reducing interference in model merging through magnitude-based sampling (Deep et al. 2024)',
    url: 'https://arxiv.org/abs/2406.11617',
  },
  summary:
    'Changes are dropped at random, the smaller ones of a row more often, those kept are scaled up, and all are added to the base. ' +
    'The seed decides which are dropped.',
  formula: 'θ = θ0 + λ Σ wk τ̃k, τ̃k,i = mk,i τk,i / pk,i',
  follows: 'mergekit, with the rescaling of the paper',
  variants: { mergekit: { density: 1, epsilon: 0.15, rescale: 'l1' } },
  inputs: { base: 'required', experts: { min: 1 } },
  parameters,
  perExpert,
  laws: {
    base_copies: {},
    single_expert: { density: 1, rescale: 'none', lambda: 1, weight: 1, normalize: false },
    identical_experts: { density: 1, rescale: 'none', lambda: 1, weight: 1, normalize: true },
    zero_scale: { lambda: 0 },
    scale_linear: {},
    negation: { rescale: 'none' },
    power_of_two: { rescale: 'none' },
    sharding: {},
  },
  unit: 'row',
  passes: (values) => rankedThinning.passes(values),
  merge: (group, values, context) => sumThinned(rankedThinning, group, values, context),
});
