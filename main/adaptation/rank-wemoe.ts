/**
 * WEMoE with a dictionary of low-rank factors: ΔWk ≈ Uk Vkᵀ, so that a routed layer computes
 *   y = W0 x + b0 + Σk λk (Uk (Vkᵀx) + Δbk)
 * on activations and no weights are merged for any image. With full rank it is WEMoE. RankOne-MoE
 * (EnnengYang/RankOne-MoE) has the same dictionary with one routing weight for each of the K·r terms.
 * Beyond it: attention may be routed too, and the factors may learn with the routers.
 */
import type { Builder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/program.ts';
import { elementCount, type Tensor, type TensorMap } from '../lib/tensor.ts';
import {
  constantWeights,
  shapeNamed,
  type EncodeOptions,
  type MergedModel,
  type Trainable,
} from '../models/merged-model.ts';
import type { VisionConfig } from '../models/vision-config.ts';
import {
  attentionLayers,
  denseLayer,
  encodeImages,
  mlpLayers,
  parameterCount,
  visionTensors,
} from '../models/vit.ts';
import {
  addTaskVectors,
  dictionaryName,
  mergeTensor,
  tensorNamed,
  type ExpertSet,
} from './dictionary.ts';
import {
  foldLayers,
  layerOf,
  withExperts,
  type ExpertLayer,
  type ExpertLayers,
} from './linear-experts.ts';
import { layerFactors, weightedTerm } from './low-rank.ts';
import { allRouterTensors, initialRouters, route, type RouterShape } from './router.ts';
import { sumOf, type ModelSizes } from './sizes.ts';

/** Which layers of a block are routed; with attention, the router reads LN1's output instead of LN2's. */
export type RoutedLayers = 'mlp' | 'block';

export interface RankWemoeShape {
  readonly router: RouterShape;
  readonly routed: RoutedLayers;
  /** Of every ΔWk; a layer with less has full rank. */
  readonly rank: number;
  /** Whether factors are learned too. */
  readonly learned: boolean;
}

/** The routed layers of block `layer`, in order of application. */
function routedLayers(layer: number, routed: RoutedLayers): readonly string[] {
  return routed === 'mlp' ? mlpLayers(layer) : [...attentionLayers(layer), ...mlpLayers(layer)];
}

function allRouted(
  config: VisionConfig,
  { routed, rank, router: { expertCount } }: RankWemoeShape,
): ExpertLayers {
  const layers = new Map<string, ExpertLayer>();
  for (let block = 0; block < config.layerCount; block++) {
    for (const name of routedLayers(block, routed)) {
      const factors = layerFactors(config, name, { rank: () => rank, expertCount });
      layers.set(name, { router: block, factors });
    }
  }
  return layers;
}

/** The static part, merged with λ0; of the routed layers weights of the base, changes of biases, and factors. */
export async function* rankWemoeConstants(
  set: ExpertSet,
  lambda: number,
  shape: RankWemoeShape,
): AsyncGenerator<readonly [name: string, tensor: Tensor]> {
  const routed = allRouted(set.config, shape);
  for (const name of visionTensors(set.config).keys()) {
    const layer = routed.get(layerOf(name));
    if (layer === undefined) yield [name, addTaskVectors(set, name, lambda)];
    else yield* withExperts(set, name, tensorNamed(set.base, name), layer, 'even');
  }
}

export function createRankWemoe(
  config: VisionConfig,
  shape: RankWemoeShape,
  { lambda, seed }: { lambda: number; seed: number },
  constants: TensorMap,
): MergedModel {
  const trainables = initialRouters(config.layerCount, shape.router, { lambda, seed });
  if (!shape.learned) return assembleRankWemoe(config, shape, constants, trainables);
  const factors = [...factorShapes(config, shape)].map(([name, size]) => {
    return { name, shape: size, initial: tensorNamed(constants, name).data };
  });
  const frozen = new Map(constants);
  for (const { name } of factors) frozen.delete(name);
  return assembleRankWemoe(config, shape, frozen, [...trainables, ...factors]);
}

function factorShapes(config: VisionConfig, shape: RankWemoeShape): ReadonlyMap<string, Shape> {
  return new Map(
    [...allRouted(config, shape).values()].flatMap(({ factors }) => [...factors.shapes]),
  );
}

/** The model of parts that exist already. */
export function assembleRankWemoe(
  config: VisionConfig,
  shape: RankWemoeShape,
  constants: TensorMap,
  trainables: readonly Trainable[],
): MergedModel {
  const layers = allRouted(config, shape);
  const { router, routed, rank, learned } = shape;
  return {
    config,
    constants,
    trainables,
    form: {
      kind: 'rank_wemoe',
      router_depth: router.depth,
      shared_router: router.shared,
      expert_count: router.expertCount,
      routed,
      rank,
      learned,
    },
    encode: (g, images, options) => {
      const routing: Value[] = [];
      const weight = constantWeights(g, config);
      const linear = (name: string, x: Value) => {
        const layer = layers.get(name);
        if (layer === undefined) return denseLayer(g, name, x, weight);
        // The first routed layer of a block is applied to the norm's output, which its router reads.
        const lambdas = (routing[layer.router] ??= route(g, layer.router, router, x, options));
        return routedLayer(g, config, { name, x, lambdas, layer, learned }, options);
      };
      return { features: encodeImages(g, config, images, weight, { linear }), routing };
    },
    fold: (values, lambdas) =>
      foldLayers(config, layers, new Map([...constants, ...values]), lambdas),
  };
}

function routedLayer(
  g: Builder,
  config: VisionConfig,
  {
    name,
    x,
    lambdas,
    layer: { factors },
    learned,
  }: { name: string; x: Value; lambdas: Value; layer: ExpertLayer; learned: boolean },
  { reduction, groups }: EncodeOptions,
): Value {
  const factor = (key: string) => {
    const size = shapeNamed(factors.shapes, key);
    return learned ? g.input(key, size) : g.constant(key, size);
  };
  const shared = g.shape(lambdas)[0] === 1;
  const parts = reduction === 'batch-mean' && !shared ? groups : undefined;
  const pair = { left: factor(factors.left), right: factor(factors.right), rank: factors.rank };
  const term = weightedTerm(g, x, pair, lambdas, parts);

  const shapes = visionTensors(config);
  const weight = (key: string) => g.constant(key, shapeNamed(shapes, key));
  const dense = g.matmul(x, weight(`${name}.weight`), { transposeRight: true });
  const biasName = `${name}.bias`;
  const [out = 0] = shapeNamed(shapes, biasName);
  const bias = mergeTensor(g, lambdas, {
    origin: weight(biasName),
    dictionary: g.constant(dictionaryName(biasName), [g.shape(lambdas)[1] ?? 0, out]),
    shape: shared ? [out] : [1, out],
  });
  const sum = g.add(dense, term);
  if (parts === undefined) return g.add(sum, bias);
  const grouped = g.reshape(sum, [parts, -1, out]);
  return g.reshape(g.add(grouped, bias), [-1, ...g.shape(sum).slice(1)]);
}

export function rankWemoeSizes(config: VisionConfig, shape: RankWemoeShape): ModelSizes {
  const shapes = visionTensors(config);
  let biases = 0;
  for (const name of allRouted(config, shape).keys()) {
    biases += elementCount(shapeNamed(shapes, `${name}.bias`)) * shape.router.expertCount;
  }
  const routers = sumOf(allRouterTensors(config.layerCount, shape.router));
  const factors = sumOf(factorShapes(config, shape));
  return {
    trainable: routers + (shape.learned ? factors : 0),
    total: parameterCount(config) + factors + biases + routers,
    dictionary: 0,
    kept: 0,
    factors,
    passes: 1,
  };
}
