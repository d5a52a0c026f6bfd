import { density, election, lambda, rescale, weight } from '../elementwise/parameters.ts';
import { electThinned } from '../elementwise/thinned-methods.ts';
import { randomThinning, type Prepared } from '../elementwise/thinnings.ts';
import { defineMethod } from '../method.ts';

const parameters = { lambda, rescale, ...election } as const;

const perExpert = {
  weight,
  density: {
    ...density,
    title: 'Density 1 − p',
    help: 'The share of each task vector to keep, as one value for all experts or one for each; small changes of language models bear 0.1, large ones of vision models hardly 0.5.',
  },
} as const;

export const dareTies = defineMethod<typeof parameters, typeof perExpert, Prepared>({
  id: 'dare_ties',
  title: 'DARE with sign election',
  family: 'sparse',
  paper: {
    title:
      'Language models are super Mario: absorbing abilities from homologous models (Yu et al. 2024)',
    url: 'https://arxiv.org/abs/2311.03099',
  },
  summary:
    'Changes of each task vector are dropped at random and the others scaled up; at every weight the experts then elect a sign, and only changes of that sign are added. ' +
    'The seed decides which are dropped, and nothing is trimmed by magnitude.',
  formula: 'θ = θ0 + λ Σ { wk τ̃k : sign τ̃k = sign Σ wj τ̃j }, τ̃k = mk ⊙ τk / (1 − p)',
  follows: 'mergekit, with the rescaling of the paper',
  variants: {
    mergekit: { density: 1, rescale: 'l1' },
    peft: { merge: 'mean', weigh: 'after_vote' },
  },
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
  unit: 'value',
  passes: (values) => randomThinning.passes(values),
  merge: (group, values, context) => electThinned(randomThinning, group, values, context),
});
