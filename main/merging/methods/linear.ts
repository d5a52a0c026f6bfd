import { addScaled, writeScaled } from '../elementwise/arithmetic.ts';
import { weight } from '../elementwise/parameters.ts';
import { meanDivisor } from '../elementwise/weights.ts';
import { BLOCK, forEachBlock } from '../blocks.ts';
import { defineMethod } from '../method.ts';

export const linear = defineMethod({
  id: 'linear',
  title: 'Weighted average',
  family: 'averaging',
  paper: {
    title: 'Model soups: averaging weights of multiple fine-tuned models (Wortsman et al. 2022)',
    url: 'https://arxiv.org/abs/2203.05482',
  },
  summary:
    'Every weight of the merged model is the weighted mean of that weight over the experts. ' +
    'The base model has no influence unless it is listed as an expert.',
  formula: 'θ = Σ wk θk / Σ wk',
  follows: 'mergekit',
  inputs: { base: 'unused', experts: { min: 1 } },
  parameters: {
    normalize: {
      kind: 'boolean',
      title: 'Divide by the weights',
      default: true,
      help: 'Whether the weighted sum is divided by the sum of the weights; without, weights that do not add up to 1 scale the model.',
    },
  },
  perExpert: {
    weight: {
      ...weight,
      help: 'How much each expert counts, as one value for all or one for each; only ratios matter where it is divided by their sum.',
    },
  },
  laws: {
    base_copies: { normalize: true },
    expert_order: {},
    base_unused: {},
    single_expert: { normalize: true },
    identical_experts: { normalize: true },
    power_of_two: {},
    negation: {},
    within_experts: { normalize: true, weight: 1 },
    sharding: {},
  },
  unit: 'value',

  combination: ({ normalize }, settings) => ({
    weights: settings.map(({ weight }) => weight),
    divisor: normalize ? meanDivisor(settings, 'linear') : 1,
  }),

  merge({ experts, base }, { normalize }, { settings }) {
    const divisor = normalize ? meanDivisor(settings, 'linear') : 1;
    const merged = new Float32Array(base.length);
    const sum = new Float64Array(Math.min(BLOCK, base.length));
    forEachBlock(base.length, (begin, end) => {
      sum.fill(0);
      for (const [k, expert] of experts.entries()) {
        addScaled(sum, expert, settings[k]!.weight, begin, end);
      }
      writeScaled(merged, sum, 1, divisor, begin, end);
    });
    return merged;
  },
});
