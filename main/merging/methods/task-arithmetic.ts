import { lambda, normalize, weight } from '../elementwise/parameters.ts';
import { mergeTaskVectors } from '../elementwise/merge-task-vectors.ts';
import { divisorOf, weightsOf } from '../elementwise/weights.ts';
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
  formula: 'θ = θ0 + λ Σ wk (θk − θ0)',
  variants: { mergekit: { lambda: 1 } },
  inputs: { base: 'required', experts: { min: 1 } },
  parameters: {
    lambda: {
      ...lambda,
      default: 0.3,
      help: 'The share of the summed task vectors to add; 0.3 is customary for eight tasks. A negative value forgets the tasks.',
    },
    normalize,
  },
  perExpert: {
    weight: {
      ...weight,
      help: 'How much each expert counts, as one value for all or one for each. A negative weight forgets that task; weights −1, 1 and 1 for A, B and C make the analogy "A is to B as C is to the result".',
    },
  },
  laws: {
    base_copies: {},
    expert_order: {},
    single_expert: { lambda: 1, weight: 1 },
    identical_experts: { lambda: 1, weight: 1, normalize: true },
    zero_scale: { lambda: 0 },
    scale_linear: {},
    power_of_two: {},
    negation: {},
    sharding: {},
  },
  unit: 'value',

  merge: (group, parameters, { settings }) =>
    mergeTaskVectors(group, {
      weights: weightsOf(settings),
      lambda: parameters.lambda,
      divisor: divisorOf(settings, parameters.normalize),
    }),
});
