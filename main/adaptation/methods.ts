/** The adaptive methods, as recipes name them. */
import type { VisionConfig } from '../models/vision-config.ts';
import { adaMergingConstants, adaMergingSizes, createAdaMerging } from './adamerging.ts';
import {
  defineAdaptiveMethod,
  initialLambda,
  loopParameters,
  loopSettings,
  routedSettings,
  routerParameters,
  type AdaptiveMethod,
} from './method.ts';
import {
  createRankWemoe,
  rankWemoeConstants,
  rankWemoeSizes,
  type RankWemoeShape,
  type RoutedLayers,
} from './rank-wemoe.ts';
import type { RouterDepth, RouterShape } from './router.ts';
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

const sharedRouter = {
  kind: 'boolean',
  title: 'One router for all blocks',
  default: true,
  help: 'All blocks share one router, which is a fraction of the numbers to learn; otherwise each has its own.',
} as const;

const eWemoe = defineAdaptiveMethod({
  id: 'e_wemoe',
  title: 'E-WEMoE',
  paper: {
    title: 'Efficient and effective weight-ensembling mixture of experts (Shen et al. 2024)',
    url: 'https://arxiv.org/abs/2410.21804',
  },
  summary:
    'WEMoE of which each task vector keeps only its largest values and all blocks share one router. ' +
    'Values that are zero take no place in exported files.',
  formula: 'φ(λ) = φ0 + Σ λk m_k ⊙ (φk − φ0), λ = r(u), one r for all blocks',
  parameters: {
    density: {
      kind: 'number',
      title: 'Share kept',
      default: 0.1,
      range: { min: 0, max: 1 },
      help: 'The share of the values of every task vector, tensor by tensor, that is kept; 0.1 loses next to nothing on CLIP, 0.01 about two points.',
    },
    shared_router: sharedRouter,
    ...routerParameters,
  },
  settings: (parameters) => routedSettings(parameters),
  constants: (set, { lambda, density }) => wemoeConstants(set, lambda, density),
  create: (set, { router_layers, shared_router: shared, lambda }, seed, constants) =>
    createWemoe(set, { depth: router_layers as RouterDepth, lambda, seed, shared }, constants),
  sizes: (config, expertCount, { router_layers: depth, shared_router: shared, density }) =>
    wemoeSizes(config, routerShape(config, expertCount, depth, shared), density),
});

const rankWemoe = defineAdaptiveMethod({
  id: 'rank_wemoe',
  title: 'Rank-r WEMoE',
  paper: {
    title:
      'Merging multi-task models via weight-ensembling mixture of experts (Tang et al. 2024), with the low-rank dictionary of RankOne-MoE',
    url: 'https://github.com/EnnengYang/RankOne-MoE',
  },
  summary:
    'WEMoE whose experts are products of thin matrices from the leading singular values of each change, so that no weights are merged for an image. ' +
    'With full rank it is WEMoE; attention can be routed too, and the factors can learn with the routers.',
  formula: 'y = W0 x + Σ λk Uk Vkᵀ x, Uk Vkᵀ = SVD_r(Wk − W0), λ = r(u)',
  parameters: {
    rank: {
      kind: 'integer',
      title: 'Rank r',
      default: 32,
      range: { min: 1, max: 4096 },
      help: 'Of every expert in every routed layer; 32 costs a point on CLIP ViT-B/32, 128 a third of one. Layers with less have full rank.',
    },
    routed: {
      kind: 'choice',
      title: 'Routed layers',
      default: 'mlp',
      range: ['mlp', 'block'],
      help: 'The MLP, as in WEMoE, or all linear layers of a block, whose router then reads the input of the attention.',
    },
    learn_factors: {
      kind: 'boolean',
      title: 'Learn the factors too',
      default: false,
      help: 'Factors learn with the routers, from where the singular values put them: best with distillation, where they make up for what a low rank leaves out.',
    },
    shared_router: { ...sharedRouter, default: false },
    ...routerParameters,
    router_layers: { ...routerParameters.router_layers, default: 1 },
  },
  settings: (parameters) => routedSettings(parameters),
  constants: (set, parameters) =>
    rankWemoeConstants(
      set,
      parameters.lambda,
      rankWemoeShape(set.config, set.experts.length, parameters),
    ),
  create: ({ config, experts }, parameters, seed, constants) => {
    const shape = rankWemoeShape(config, experts.length, parameters);
    return createRankWemoe(config, shape, { lambda: parameters.lambda, seed }, constants);
  },
  sizes: (config, expertCount, parameters) =>
    rankWemoeSizes(config, rankWemoeShape(config, expertCount, parameters)),
});

function routerShape(
  { hiddenSize }: VisionConfig,
  expertCount: number,
  depth: number,
  shared: boolean,
): RouterShape {
  return { depth: depth as RouterDepth, hiddenSize, expertCount, shared };
}

function rankWemoeShape(
  config: VisionConfig,
  expertCount: number,
  parameters: {
    readonly rank: number;
    readonly routed: RoutedLayers;
    readonly learn_factors: boolean;
    readonly router_layers: number;
    readonly shared_router: boolean;
  },
): RankWemoeShape {
  const { rank, routed, learn_factors: learned, router_layers, shared_router } = parameters;
  const router = routerShape(config, expertCount, router_layers, shared_router);
  return { rank, routed, learned, router };
}

export const adaptiveMethods: readonly AdaptiveMethod[] = [adaMerging, wemoe, eWemoe, rankWemoe];
