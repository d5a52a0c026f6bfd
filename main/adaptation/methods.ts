/** The adaptive methods, as recipes name them. */
import { adaMergingConstants, adaMergingSizes, createAdaMerging } from './adamerging.ts';
import { compactMethods, routerShape } from './compact-methods.ts';
import {
  defineAdaptiveMethod,
  initialLambda,
  loopParameters,
  loopSettings,
  routedSettings,
  routerParameters,
  type AdaptiveMethod,
} from './method.ts';
import type { RouterDepth } from './router.ts';
import { createSurgery, surgeryConstants, surgerySizes } from './surgery.ts';
import { createWemoe, wemoeConstants, wemoeSizes } from './wemoe.ts';

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
  settings: (parameters) => ({ ...loopSettings(parameters), reduction: undefined }),
  constants: (set) => adaMergingConstants(set),
  create: (set, { granularity, lambda, clamp }, _seed, constants) =>
    createAdaMerging(set, { granularity, lambda, clamp }, constants),
  sizes: (config, expertCount, { granularity }) =>
    adaMergingSizes(config, expertCount, granularity),
});

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
  parameters: routerParameters,
  settings: (parameters) => routedSettings(parameters),
  constants: (set, { lambda }) => wemoeConstants(set, lambda),
  create: (set, { router_layers, lambda }, seed, constants) =>
    createWemoe(set, { depth: router_layers as RouterDepth, lambda, seed }, constants),
  sizes: (config, expertCount, { router_layers: depth }) =>
    wemoeSizes(config, routerShape(config, expertCount, depth, false)),
});

const surgery = defineAdaptiveMethod({
  id: 'surgery',
  title: 'Surgery',
  paper: {
    title: 'Representation surgery for multi-task model merging (Yang et al. 2024)',
    url: 'https://arxiv.org/abs/2402.02705',
  },
  summary:
    'Goes on from another merge: a small module for each task learns on unlabelled images to bring the merged model’s features back to those of the task’s expert. ' +
    'Whose task an image is of must be known in use, so its accuracy is not comparable with that of merges which do without.',
  formula: 'f̂ = f − Up_k ReLU(Down_k f), argmin Σ |f̂ − f_k|',
  onMerge: true,
  parameters: {
    of: {
      kind: 'merge',
      title: 'Merge to go on from',
      default: '',
      help: 'The id of a merge before this one in the recipe that gives one set of weights, such as AdaMerging or any static merge.',
    },
    rank: {
      kind: 'integer',
      title: 'Rank r of the modules',
      default: 16,
      range: { min: 1, max: 4096 },
      help: 'Of every task’s module; 16 in the paper, where larger ones gain a little more.',
    },
    steps: {
      ...loopParameters.steps,
      default: 500,
      help: 'Each step takes one batch of every task; 100 give most of the gain.',
    },
    learning_rate: {
      ...loopParameters.learning_rate,
      help: 'Step size of Adam; 1e-3 in the paper.',
    },
    schedule: loopParameters.schedule,
  },
  settings: ({ steps, learning_rate: learningRate, schedule }) => ({
    steps,
    learningRate,
    schedule,
    objective: 'representation',
    // Features near the experts' give the experts' classes: nothing collapses.
    diversity: 0,
    guard: 'off',
    reduction: undefined,
  }),
  constants: (set) => surgeryConstants(set),
  create: ({ config, experts }, { rank }, seed, constants) =>
    createSurgery(config, { experts: experts.length, rank }, seed, constants),
  sizes: (config, experts, { rank }) => surgerySizes(config, { experts, rank }),
});

export const adaptiveMethods: readonly AdaptiveMethod[] = [
  adaMerging,
  wemoe,
  ...compactMethods,
  surgery,
];
