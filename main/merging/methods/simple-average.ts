import { BLOCK, forEachBlock } from '../blocks.ts';
import { addScaled, writeScaled } from '../elementwise/arithmetic.ts';
import { defineMethod } from '../method.ts';

export const simpleAverage = defineMethod({
  id: 'simple_average',
  title: 'Simple average',
  family: 'averaging',
  paper: {
    title: 'Model soups: averaging weights of multiple fine-tuned models (Wortsman et al. 2022)',
    url: 'https://arxiv.org/abs/2203.05482',
  },
  summary:
    'Every weight of the merged model is the mean of that weight over the experts. ' +
    'It has no parameters and does not use the base model.',
  formula: 'θ = (1/K) Σ θk',
  inputs: { base: 'unused', experts: { min: 1 } },
  parameters: {},
  perExpert: {},
  laws: {
    base_copies: {},
    expert_order: {},
    base_unused: {},
    single_expert: {},
    identical_experts: {},
    power_of_two: {},
    negation: {},
    within_experts: {},
    sharding: {},
  },
  unit: 'value',

  combination: (_, settings) => ({
    weights: settings.map(() => 1),
    divisor: settings.length,
  }),

  merge({ experts, base }) {
    const merged = new Float32Array(base.length);
    const sum = new Float64Array(Math.min(BLOCK, base.length));
    forEachBlock(base.length, (begin, end) => {
      sum.fill(0);
      for (const expert of experts) addScaled(sum, expert, 1, begin, end);
      writeScaled(merged, sum, 1, experts.length, begin, end);
    });
    return merged;
  },
});
