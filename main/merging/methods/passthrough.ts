import { combined } from '../elementwise/combinations.ts';
import { defineMethod } from '../method.ts';

export const passthrough = defineMethod({
  id: 'passthrough',
  title: 'Passthrough',
  family: 'assembly',
  paper: {
    title: 'mergekit, merge methods: Passthrough (Goddard et al. 2024)',
    url: 'https://arxiv.org/abs/2403.13257',
  },
  summary:
    'The tensors of one model are taken over, multiplied by a scale if one is given. ' +
    'With slices of several models it builds models of other depths.',
  formula: 'θ = s θ1',
  follows: 'mergekit',
  inputs: { base: 'unused', experts: { min: 1, max: 1 } },
  parameters: {},
  perExpert: {
    scale: {
      kind: 'number',
      title: 'Scale s',
      default: 1,
      range: { min: -10, max: 10 },
      help: 'What every value is multiplied by; 0 for output projections makes a block do nothing.',
    },
  },
  laws: {
    base_copies: { scale: 1 },
    base_unused: {},
    single_expert: { scale: 1 },
    power_of_two: {},
    negation: {},
    within_experts: { scale: 1 },
    sharding: {},
  },
  unit: 'value',

  merge: (group, _parameters, { settings }) => combined(group, [settings[0]!.scale], 0),
});
