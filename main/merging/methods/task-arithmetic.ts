import { BLOCK, forEachBlock } from '../blocks.ts';
import { defineMethod } from '../method.ts';

export const taskArithmetic = defineMethod({
  id: 'task_arithmetic',
  title: 'Task arithmetic',
  paper: {
    title: 'Editing models with task arithmetic (Ilharco et al. 2023)',
    url: 'https://arxiv.org/abs/2212.04089',
  },
  summary:
    'The task vectors (expert minus base) of all experts are added up and a share of the sum is added to the base. ' +
    'A larger share moves further towards the experts, but their changes also disturb each other more.',
  formula: 'θ = θ0 + λ Σ (θk − θ0)',
  parameters: {
    lambda: {
      kind: 'number',
      title: 'Scaling coefficient λ',
      default: 0.3,
      range: { min: -2, max: 2 },
      help: 'The share of the summed task vectors to add; 0.3 is customary for eight tasks. A negative value forgets the tasks.',
    },
  },
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

  merge({ base, experts }, { lambda }) {
    const merged = new Float32Array(base.length);
    const sums = new Float64Array(BLOCK);
    forEachBlock(merged.length, (begin, end) => {
      sums.fill(0);
      for (const expert of experts) {
        for (let i = begin; i < end; i++) sums[i - begin]! += expert[i]! - base[i]!;
      }
      for (let i = begin; i < end; i++) merged[i] = base[i]! + lambda * sums[i - begin]!;
    });
    return merged;
  },
});
