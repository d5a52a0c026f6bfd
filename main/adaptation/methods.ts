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

export const adaptiveMethods: readonly AdaptiveMethod[] = [adaMerging, wemoe, ...compactMethods];
