import { density, lambda, normalize, rescale, weight } from '../elementwise/parameters.ts';
import { sumThinned } from '../elementwise/thinned-methods.ts';
import { randomThinning, type Prepared } from '../elementwise/thinnings.ts';
import { defineMethod } from '../method.ts';

const parameters = { lambda, normalize, rescale } as const;

const perExpert = {
  weight,
  density: {
    ...density,
    title: 'Density 1 − p',
    help: 'The share of each task vector to keep, as one value for all experts or one for each; small changes of language models bear 0.1, large ones of vision models hardly 0.5.',
  },
} as const;

export const dareLinear = defineMethod<typeof parameters, typeof perExpert, Prepared>({
  id: 'dare_linear',
  title: 'DARE',
  family: 'sparse',
  paper: {
    title:
      'Language models are super Mario: absorbing abilities from homologous models (Yu et al. 2024)',
    url: 'https://arxiv.org/abs/2311.03099',
  },
  summary:
    'Changes of each task vector are dropped at random, the others are scaled up to make up for it, and all are added to the base. ' +
    'The seed decides which are dropped; it fails where changes are large.',
  formula: 'θ = θ0 + λ Σ wk mk ⊙ τk / (1 − p), mk ~ Bernoulli(1 − p)',
  follows: 'the paper',
  variants: {
    mergekit: { density: 1, rescale: 'l1' },
    fusion_bench: { density: 0.5, lambda: 0.3 },
  },
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
  unit: 'value',
  passes: (values) => randomThinning.passes(values),
  merge: (group, values, context) => sumThinned(randomThinning, group, values, context),
});
