import { defineMethod } from '../method.ts';

export const taskArithmetic = defineMethod({
  id: 'task_arithmetic',
  title: 'Task arithmetic',
  family: 'task_vectors',
  paper: {
    title: 'Editing models with task arithmetic (Ilharco et al. 2023)',
    url: 'https://arxiv.org/abs/2212.04089',
  },
  summary:
    'The task vectors (expert minus base) of all experts are added up and a share of the sum is added to the base. ' +
    'A larger share moves further towards the experts, but their changes also disturb each other more.',
  formula: 'θ = θ0 + λ Σ (θk − θ0)',
  inputs: { base: 'required', experts: { min: 1 } },
  parameters: {
    lambda: {
      kind: 'number',
      title: 'Scaling coefficient λ',
      default: 0.3,
      range: { min: -2, max: 2 },
      help: 'The share of the summed task vectors to add; 0.3 is customary for eight tasks. A negative value forgets the tasks.',
    },
  },
  perExpert: {},
  laws: {
    base_copies: {},
    expert_order: {},
    single_expert: { lambda: 1 },
    zero_scale: { lambda: 0 },
    scale_linear: {},
    power_of_two: {},
    negation: {},
    sharding: {},
  },
  unit: 'value',

  merge({ base, experts }, { lambda }) {
    const merged = new Float32Array(base.length);
    for (let i = 0; i < merged.length; i++) {
      const origin = base[i]!;
      let sum = 0;
      for (let k = 0; k < experts.length; k++) sum += experts[k]![i]! - origin;
      merged[i] = origin + lambda * sum;
    }
    return merged;
  },
});
