/**
 * WEMoE: merging multi-task models via weight-ensembling mixture of experts (Tang et al., ICML 2024,
 * arXiv 2402.00433). Everything but the MLPs is merged by task arithmetic with λ0; the MLP of every
 * block becomes φ(λ) = φ0 + Σk λk Δk with φ0 the pre-trained MLP and λ = router(LN2 output).
 */
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/program.ts';
import { elementCount, type Tensor, type TensorMap } from '../lib/tensor.ts';
import {
  constantWeights,
  shapeNamed,
  type EncodeOptions,
  type MergedModel,
  type Trainable,
} from '../models/merged-model.ts';
import { activate } from '../models/transformer.ts';
import type { VisionConfig } from '../models/vision-config.ts';
import { encodeImages, mlpTensors, parameterCount, visionTensors } from '../models/vit.ts';
import {
  addTaskVectors,
  dictionaryName,
  mergeTensor,
  stackTaskVectors,
  tensorNamed,
  type ExpertSet,
} from './dictionary.ts';
import { keepLargest, keptCount } from './prune.ts';
import {
  allRouterTensors,
  initialRouters,
  route,
  type RouterDepth,
  type RouterShape,
} from './router.ts';
import { sumOf, type ModelSizes } from './sizes.ts';

export interface WemoeOptions {
  readonly depth: RouterDepth;
  /** λ0: scaling of the static part, and what every routing weight starts from. */
  readonly lambda: number;
  readonly seed: number;
  /** Whether all blocks have the same router. */
  readonly shared?: boolean;
}

/** The static part, merged with λ0; of the MLPs φ0 and the share `kept` of the task vectors. */
export function* wemoeConstants(
  set: ExpertSet,
  lambda: number,
  kept = 1,
): Generator<readonly [name: string, tensor: Tensor]> {
  const routed = new Set(layersOf(set.config).flatMap((layer) => [...mlpTensors(layer)]));
  for (const name of visionTensors(set.config).keys()) {
    if (routed.has(name)) {
      yield [name, tensorNamed(set.base, name)];
      yield [dictionaryName(name), keepLargest(stackTaskVectors(set, name), kept)];
    } else {
      yield [name, addTaskVectors(set, name, lambda)];
    }
  }
}

function layersOf({ layerCount }: VisionConfig): number[] {
  return Array.from({ length: layerCount }, (_, layer) => layer);
}

export function createWemoe(
  set: ExpertSet,
  { depth, lambda, seed, shared = false }: WemoeOptions,
  constants: TensorMap = new Map(wemoeConstants(set, lambda)),
): MergedModel {
  const { config } = set;
  const expertCount = set.experts.length;
  const router = { depth, hiddenSize: config.hiddenSize, expertCount, shared };
  const trainables = initialRouters(config.layerCount, router, { lambda, seed });
  return assembleWemoe({ config, constants, trainables, router });
}

export interface WemoeParts {
  readonly config: VisionConfig;
  /** Every encoder tensor under its own name, with φ0 as the MLPs, and the dictionaries [K, P]. */
  readonly constants: TensorMap;
  readonly trainables: readonly Trainable[];
  readonly router: RouterShape;
}

/** A WEMoE from parts that exist already: those of `createWemoe`, or those an export holds. */
export function assembleWemoe({ config, constants, trainables, router }: WemoeParts): MergedModel {
  return {
    config,
    constants,
    trainables,
    form: {
      kind: 'wemoe',
      router_depth: router.depth,
      shared_router: router.shared,
      expert_count: router.expertCount,
    },
    encode: (g, images, options) => {
      const routing: Value[] = [];
      const mlp = (layer: number, u: Value) => {
        const lambdas = route(g, layer, router, u, options);
        routing[layer] = lambdas;
        const { expertCount } = router;
        return ensembledMlp(g, config, { layer, u, lambdas, expertCount }, options);
      };
      const features = encodeImages(g, config, images, constantWeights(g, config), { mlp });
      return { features, routing };
    },
  };
}

/** y = W2(λ)·act(W1(λ)·u + b1(λ)) + b2(λ), with one weight set per row of λ [G, K]. */
function ensembledMlp(
  g: Builder,
  config: VisionConfig,
  {
    layer,
    u,
    lambdas,
    expertCount,
  }: { layer: number; u: Value; lambdas: Value; expertCount: number },
  { reduction, groups }: EncodeOptions,
): Value {
  const shapes = visionTensors(config);
  const shared = g.shape(lambdas)[0] === 1;
  const merged = mlpTensors(layer).map((name) => {
    const shape = shapeNamed(shapes, name);
    const dictionary = g.constant(dictionaryName(name), [expertCount, elementCount(shape)]);
    // A bias [width] of a group is added to each of its rows: [G, 1, width].
    const placed = shape.length === 1 && !shared ? [1, ...shape] : shape;
    return mergeTensor(g, lambdas, { origin: g.constant(name, shape), dictionary, shape: placed });
  });
  const [w1, b1, w2, b2] = merged as [Value, Value, Value, Value];
  // Under batch-mean the tokens of a group's images are rows of one product with the group's weights.
  const { hiddenSize: d } = config;
  const regroup = reduction === 'batch-mean' && !shared;
  const x = regroup ? g.reshape(u, [groups, -1, d]) : u;
  const hidden = activate(g, config, g.add(g.matmul(x, w1, { transposeRight: true }), b1));
  const y = g.add(g.matmul(hidden, w2, { transposeRight: true }), b2);
  return regroup ? g.reshape(y, [-1, ...g.shape(u).slice(1)]) : y;
}

/** Sizes of a WEMoE, from shapes alone. */
export function wemoeSizes(config: VisionConfig, router: RouterShape, kept = 1): ModelSizes {
  const shapes = visionTensors(config);
  let dictionary = 0;
  let stored = 0;
  for (const name of layersOf(config).flatMap(mlpTensors)) {
    const size = elementCount(shapeNamed(shapes, name));
    dictionary += size;
    stored += router.expertCount * keptCount(size, kept);
  }
  const trainable = sumOf(allRouterTensors(config.layerCount, router));
  return {
    trainable,
    total: parameterCount(config) + stored + trainable,
    dictionary,
    kept: stored,
    factors: 0,
    passes: 1,
  };
}
