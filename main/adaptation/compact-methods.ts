/** The dynamic methods that keep less than whole task vectors, as recipes name them. */
import type { VisionConfig } from '../models/vision-config.ts';
import {
  defineAdaptiveMethod,
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
import { assembleSmile, smileConstants, smileSizes, type SmileShape } from './smile.ts';
import { createTwin, twinConstants, twinSizes, type TwinShape } from './twin.ts';
import { createWemoe, wemoeConstants, wemoeSizes } from './wemoe.ts';

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

export function routerShape(
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

const perSample = { adaptation: 'per-sample', evaluation: 'per-sample' } as const;

const twinMerging = defineAdaptiveMethod({
  id: 'twin_merging',
  title: 'Twin-Merging',
  paper: {
    title:
      'Twin-Merging: dynamic integration of modular expertise in model merging (Lu et al. 2024)',
    url: 'https://arxiv.org/abs/2406.15479',
  },
  summary:
    'Merges all experts by task arithmetic and adds for each image what the experts have beyond that, compressed, as one router weighs them after a first pass. ' +
    'The router learns which task an image is of, from images of known tasks without their labels.',
  formula: 'θ(x) = θ* + Σ wk SVD_r(θk − θ*), w = softmax(r(h*(x))), θ* = θ0 + λ Σ τk',
  parameters: {
    scaling: {
      kind: 'number',
      title: 'Scaling λ of the shared expert',
      default: 0.3,
      range: { min: -2, max: 2 },
      help: 'The share of the summed task vectors in what all images have; the authors use 0.29.',
    },
    density: {
      kind: 'number',
      title: 'Share of the rank kept',
      default: 0.1,
      range: { min: 0, max: 1 },
      help: 'Of what each expert has beyond the shared one, the share of singular values of every matrix; 0.1 in the paper. One is always kept.',
    },
    router_layers: {
      ...routerParameters.router_layers,
      help: 'Of the one router, on what the first pass makes of the image. 1: a linear map; 2: linear, ReLU, linear.',
      range: { min: 1, max: 2 },
    },
    ...loopParameters,
    steps: {
      ...loopParameters.steps,
      default: 300,
      help: 'Each step takes one batch of every task; to tell tasks apart is soon learned.',
    },
    learning_rate: { ...loopParameters.learning_rate, default: 5e-4 },
    objective: {
      kind: 'choice',
      title: 'Objective',
      default: 'task',
      range: ['task', 'entropy', 'distillation'],
      help: 'Task, as published: the router tells which task an image is of. Entropy or distillation: it makes predictions sure, or those of the image’s own expert. None sees a label.',
    },
  },
  settings: (parameters) => ({ ...loopSettings(parameters), reduction: perSample }),
  constants: (set, parameters) =>
    twinConstants(set, parameters.scaling, twinShape(set.config, set.experts.length, parameters)),
  create: ({ config, experts }, parameters, seed, constants) =>
    createTwin(config, twinShape(config, experts.length, parameters), seed, constants),
  sizes: (config, expertCount, parameters) =>
    twinSizes(config, twinShape(config, expertCount, parameters)),
});

function twinShape(
  config: VisionConfig,
  expertCount: number,
  { density, router_layers }: { readonly density: number; readonly router_layers: number },
): TwinShape {
  return { density, router: routerShape(config, expertCount, router_layers, false) };
}

const smile = defineAdaptiveMethod({
  id: 'smile',
  title: 'SMILE',
  paper: {
    title:
      'SMILE: zero-shot sparse mixture of low-rank experts construction from pre-trained foundation models (Tang et al. 2024)',
    url: 'https://arxiv.org/abs/2408.10174',
  },
  summary:
    'Keeps low-rank experts in every linear layer and gives each token the one whose directions its input lies in most. ' +
    'Nothing is learned, and no images are needed.',
  formula: 'y = W0 x + Uk Vkᵀ x, k = argmax ‖Vk[:, :q]ᵀ x‖, Uk Vkᵀ = SVD_r(Wk − W0)',
  parameters: {
    rank: {
      kind: 'integer',
      title: 'Rank r of the experts',
      default: 32,
      range: { min: 1, max: 4096 },
      help: 'Of every expert in every linear layer; 32 costs two points on CLIP ViT-B/32, 128 half a one. Layers with less have full rank.',
    },
    gate: {
      kind: 'integer',
      title: 'Gate size q',
      default: 16,
      range: { min: 1, max: 4096 },
      help: 'How many leading directions of an expert a gate looks at; at most the rank. 16 goes with rank 32, 64 with 128.',
    },
    top: {
      kind: 'integer',
      title: 'Experts for a token',
      default: 1,
      range: { min: 1, max: 64 },
      help: 'The experts with the largest gates, weighed by softmax; 1 in the paper.',
    },
    rest: {
      kind: 'choice',
      title: 'Other tensors',
      default: 'base',
      range: ['base', 'average'],
      help: 'Where norms and embeddings come from: the base, as published, or the average of the experts.',
    },
  },
  settings: () => ({
    steps: 0,
    learningRate: 0,
    schedule: 'constant',
    diversity: 0,
    objective: 'entropy',
    guard: 'off',
    reduction: perSample,
  }),
  constants: (set, { rank, rest }) => smileConstants(set, rank, rest),
  create: ({ config, experts }, parameters, _seed, constants) =>
    assembleSmile(config, smileShape(experts.length, parameters), constants),
  sizes: (config, expertCount, parameters) =>
    smileSizes(config, smileShape(expertCount, parameters)),
});

function smileShape(
  expertCount: number,
  { rank, gate, top }: Pick<SmileShape, 'rank' | 'gate' | 'top'>,
): SmileShape {
  return { expertCount, rank, gate, top };
}

export const compactMethods: readonly AdaptiveMethod[] = [eWemoe, rankWemoe, twinMerging, smile];
