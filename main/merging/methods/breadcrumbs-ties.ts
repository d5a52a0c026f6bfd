import { density, election, lambda, rescale, weight } from '../elementwise/parameters.ts';
import { electThinned } from '../elementwise/thinned-methods.ts';
import { crumbThinning, type Prepared } from '../elementwise/thinnings.ts';
import { defineMethod } from '../method.ts';

const parameters = {
  lambda: { ...lambda, default: 0.3 },
  rank: {
    kind: 'choice',
    title: 'Rank within',
    default: 'row',
    range: ['row', 'tensor'],
    help: 'Whether changes are ranked within each row, as in the paper, or within each tensor, as in mergekit.',
  },
  rescale: {
    ...rescale,
    default: 'none',
    range: ['none', 'l1'],
    help: 'Whether what is kept is scaled to the L1 norm of the whole tensor, as mergekit can.',
  },
  ...election,
} as const;

const perExpert = {
  weight,
  density: { ...density, default: 0.15 },
  gamma: {
    kind: 'number',
    title: 'Outliers γ',
    default: 0.01,
    range: { min: 0, max: 1 },
    help: 'The share of the largest changes to drop as outliers; 0.001 to 0.01 is usual.',
  },
} as const;

export const breadcrumbsTies = defineMethod<typeof parameters, typeof perExpert, Prepared>({
  id: 'breadcrumbs_ties',
  title: 'Model Breadcrumbs with sign election',
  family: 'sparse',
  paper: {
    title:
      'Model Breadcrumbs: scaling multi-task model merging with sparse masks (Davari and Belilovsky 2023)',
    url: 'https://arxiv.org/abs/2312.06795',
  },
  summary:
    'Each task vector loses its largest changes and its many small ones; at every weight the experts then elect a sign, and only changes of that sign are added. ' +
    'Short rows may keep nothing at a low density.',
  formula: 'θ = θ0 + λ Σ { wk τ̂k : sign τ̂k = sign Σ wj τ̂j }, τ̂k = mk ⊙ τk',
  follows: "mergekit, ranking as the authors' code",
  variants: { mergekit: { lambda: 1, density: 1, gamma: 0.01, rank: 'tensor' } },
  inputs: { base: 'required', experts: { min: 1 } },
  parameters,
  perExpert,
  laws: {
    base_copies: {},
    expert_order: {},
    single_expert: { density: 1, gamma: 0, rescale: 'none', lambda: 1, weight: 1 },
    identical_experts: {
      density: 1,
      gamma: 0,
      rescale: 'none',
      lambda: 1,
      weight: 1,
      merge: 'mean',
    },
    zero_scale: { lambda: 0 },
    scale_linear: {},
    power_of_two: { rescale: 'none' },
    sharding: {},
  },
  unit: 'row',
  passes: (values) => crumbThinning.passes(values),
  merge: (group, values, context) => electThinned(crumbThinning, group, values, context),
});
