/** The adaptive methods, as recipes name them. */
import { adaMergingConstants, createAdaMerging } from './adamerging.ts';
import { defineAdaptiveMethod, loopParameters, type AdaptiveMethod } from './method.ts';
import type { RouterDepth } from './router.ts';
import { createWemoe, wemoeConstants } from './wemoe.ts';

const initialLambda = {
  kind: 'number',
  title: 'Initial coefficient λ0',
  default: 0.3,
  range: { min: -2, max: 2 },
  help: 'Where every coefficient starts; 0.3 makes the start equal to task arithmetic.',
} as const;

const adaMerging = defineAdaptiveMethod({
  id: 'adamerging',
  title: 'AdaMerging',
  paper: {
    title: 'AdaMerging: adaptive model merging for multi-task learning (Yang et al. 2024)',
    url: 'https://arxiv.org/abs/2310.02575',
  },
  summary:
    'Learns how much of each expert to add, for the whole model or for every tensor, so that the merged model becomes sure of its predictions on unlabelled images. ' +
    'The result is one ordinary model.',
  formula: 'θ = θ0 + Σ λk (θk − θ0), λ = argmin Σ H(p)',
  parameters: {
    granularity: {
      kind: 'choice',
      title: 'Coefficients',
      default: 'layer',
      range: ['task', 'layer'],
      help: 'One coefficient per expert, or one per expert and tensor (layer-wise, usually far better).',
    },
    lambda: initialLambda,
    clamp: {
      kind: 'boolean',
      title: 'Keep coefficients in [0, 1]',
      default: true,
      help: 'Clamps in the forward pass, as the authors do; a coefficient outside stops learning.',
    },
    ...loopParameters,
  },
  settings: ({ steps, learning_rate: learningRate, schedule, diversity, objective }) => ({
    steps,
    learningRate,
    schedule,
    diversity,
    objective,
    reduction: undefined,
  }),
  constants: (set) => adaMergingConstants(set),
  create: (set, { granularity, lambda, clamp }, _seed, constants) =>
    createAdaMerging(set, { granularity, lambda, clamp }, constants),
});

const reduction = {
  kind: 'choice',
  default: 'per-sample',
  range: ['per-sample', 'batch-mean'],
} as const;

const wemoe = defineAdaptiveMethod({
  id: 'wemoe',
  title: 'WEMoE',
  paper: {
    title: 'Merging multi-task models via weight-ensembling mixture of experts (Tang et al. 2024)',
    url: 'https://arxiv.org/abs/2402.00433',
  },
  summary:
    'Keeps all experts’ MLPs and lets a small router in every layer mix them for each input; the routers learn on unlabelled images. ' +
    'The rest of the model is merged by task arithmetic.',
  formula: 'φ(λ) = φ0 + Σ λk (φk − φ0), λ = r(u), r = argmin Σ H(p)',
  parameters: {
    router_layers: {
      kind: 'integer',
      title: 'Router depth l',
      default: 2,
      range: { min: 0, max: 2 },
      help: '0: a learned constant; 1: a linear map; 2: linear, ReLU, linear.',
    },
    lambda: initialLambda,
    adaptation_reduction: {
      ...reduction,
      title: 'Routing during adaptation',
      help: 'Per sample: every image its own weights. Batch mean: the images of a task share them, which is faster.',
    },
    evaluation_reduction: {
      ...reduction,
      title: 'Routing during evaluation',
      help: 'Batch mean needs batches of a single task, so it profits from knowing the task; per sample does not.',
    },
    ...loopParameters,
    learning_rate: { ...loopParameters.learning_rate, default: 1e-4 },
  },
  settings: (parameters) => ({
    steps: parameters.steps,
    learningRate: parameters.learning_rate,
    schedule: parameters.schedule,
    diversity: parameters.diversity,
    objective: parameters.objective,
    reduction: {
      adaptation: parameters.adaptation_reduction,
      evaluation: parameters.evaluation_reduction,
    },
  }),
  constants: (set, { lambda }) => wemoeConstants(set, lambda),
  create: (set, { router_layers, lambda }, seed, constants) =>
    createWemoe(set, { depth: router_layers as RouterDepth, lambda, seed }, constants),
});

export const adaptiveMethods: readonly AdaptiveMethod[] = [adaMerging, wemoe];
