/**
 * Twin-Merging (Lu et al. 2024, arXiv 2406.15479): a shared expert θ* by task arithmetic, what each expert
 * has beyond it compressed by singular values, vk = SVD_r(θk − θ*), and one router that reads what the shared
 * expert makes of the image:
 *   w = softmax(r(h)), h = mean over tokens of its last hidden state;  θ(x) = θ* + Σk wk vk.
 * An image passes the encoder twice. As in the authors' code the router learns to tell which task an image is
 * of, by cross-entropy; that takes images of known tasks, but no labels. Differences: vectors, embeddings of
 * positions and biases are kept whole (the authors leave biases merged); and one hidden layer on h with mean 0
 * and variance 1 stands for their two with batch norms and dropout.
 */
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/program.ts';
import { elementCount, type Tensor, type TensorMap } from '../lib/tensor.ts';
import {
  constantWeights,
  shapeNamed,
  type MergedModel,
  type Trainable,
} from '../models/merged-model.ts';
import { tokenCount, type VisionConfig } from '../models/vision-config.ts';
import {
  attentionLayers,
  classEmbedding,
  denseLayer,
  encodeImages,
  encodeTokens,
  hasBias,
  mlpLayers,
  parameterCount,
  patchEmbedding,
  positionEmbedding,
  visionTensors,
  visualProjection,
  type EncoderParts,
} from '../models/vit.ts';
import { addTaskVectors, dictionaryName, mergeTensor, type ExpertSet } from './dictionary.ts';
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

export interface TwinShape {
  readonly router: RouterShape;
  /** Share of the full rank of every matrix, which leaves it one at least. */
  readonly density: number;
}

function matrices(
  config: VisionConfig,
  { density, router: { expertCount } }: TwinShape,
): ExpertLayers {
  const blocks = Array.from({ length: config.layerCount }, (_, block) => block);
  const names = [
    patchEmbedding,
    ...blocks.flatMap((block) => [...attentionLayers(block), ...mlpLayers(block)]),
    ...(config.projectionSize === undefined ? [] : [visualProjection]),
  ];
  const rank = (least: number) => Math.max(1, Math.floor(density * least));
  return new Map(
    names.map((name): [string, ExpertLayer] => [
      name,
      { router: 0, factors: layerFactors(config, name, { rank, expertCount }) },
    ]),
  );
}

/** θ* and, of every tensor, what the experts have beyond it. */
export async function* twinConstants(
  set: ExpertSet,
  scaling: number,
  shape: TwinShape,
): AsyncGenerator<readonly [name: string, tensor: Tensor]> {
  const layers = matrices(set.config, shape);
  for (const name of visionTensors(set.config).keys()) {
    const shared = addTaskVectors(set, name, scaling);
    yield* withExperts(set, name, shared, layers.get(layerOf(name)), 'even');
  }
}

export function createTwin(
  config: VisionConfig,
  shape: TwinShape,
  seed: number,
  constants: TensorMap,
): MergedModel {
  return assembleTwin(
    config,
    shape,
    constants,
    initialRouters(1, shape.router, { lambda: 0, seed }),
  );
}

export function assembleTwin(
  config: VisionConfig,
  shape: TwinShape,
  constants: TensorMap,
  trainables: readonly Trainable[],
): MergedModel {
  const layers = matrices(config, shape);
  const { router, density } = shape;
  return {
    config,
    constants,
    trainables,
    form: {
      kind: 'twin',
      router_depth: router.depth,
      expert_count: router.expertCount,
      density,
    },
    encode: (g, images, options) => {
      const weight = constantWeights(g, config);
      const hidden = encodeTokens(g, config, images, weight);
      const pooled = standardised(g, config, g.mean(hidden, [1], true));
      const scores = route(g, 0, router, pooled, { ...options, reduction: 'per-sample' });
      const choice = g.softmax(scores);
      const features = encodeImages(
        g,
        config,
        images,
        weight,
        chosenParts(g, config, layers, choice),
      );
      return { features, routing: [choice] };
    },
    fold: (values, lambdas) =>
      foldLayers(config, layers, new Map([...constants, ...values]), lambdas),
  };
}

/** Rows with mean 0 and variance 1. */
function standardised(
  g: Builder,
  { hiddenSize: d, layerNormEpsilon }: VisionConfig,
  x: Value,
): Value {
  return g.layerNorm(x, g.fill(1, [d]), g.fill(0, [d]), layerNormEpsilon);
}

/** The parts of θ(x) for every image, from its weights of the experts [B, K]. */
function chosenParts(
  g: Builder,
  config: VisionConfig,
  layers: ExpertLayers,
  choice: Value,
): EncoderParts {
  const shapes = visionTensors(config);
  const weight = constantWeights(g, config);
  const [, k = 0] = g.shape(choice);
  /** A tensor kept whole, as [B, …placed]. */
  const chosen = (name: string, placed: readonly number[]) => {
    const size = elementCount(shapeNamed(shapes, name));
    const dictionary = g.constant(dictionaryName(name), [k, size]);
    return mergeTensor(g, choice, { origin: weight(name), dictionary, shape: placed });
  };
  /** A vector for rows of x [B, n, d] or [B, d]. */
  const vector = (name: string, x: Value) => {
    const [size = 0] = shapeNamed(shapes, name);
    return chosen(name, g.shape(x).length === 3 ? [1, size] : [size]);
  };
  const linear = (name: string, x: Value): Value => {
    const layer = layers.get(name);
    if (layer === undefined) return denseLayer(g, name, x, weight);
    const { factors } = layer;
    const factor = (key: string) => g.constant(key, shapeNamed(factors.shapes, key));
    const pair = { left: factor(factors.left), right: factor(factors.right), rank: factors.rank };
    const dense = withoutBias(g, name, x, weight);
    const [out = 0] = g.shape(dense).slice(-1);
    const flat = g.shape(x).length === 2;
    const rows = flat ? g.reshape(x, [-1, 1, g.shape(x)[1] ?? 0]) : x;
    const term = weightedTerm(g, rows, pair, choice, undefined);
    const sum = g.add(dense, flat ? g.reshape(term, [-1, out]) : term);
    return hasBias(name) ? g.add(sum, vector(`${name}.bias`, x)) : sum;
  };
  return {
    linear,
    norm: (name, x) =>
      g.add(
        g.mul(standardised(g, config, x), vector(`${name}.weight`, x)),
        vector(`${name}.bias`, x),
      ),
    positions: () => {
      const { hiddenSize: d } = config;
      const n = tokenCount(config);
      const classRow = g.pad(chosen(classEmbedding, [1, d]), 1, 0, n - 1);
      return g.add(chosen(positionEmbedding, [n, d]), classRow);
    },
  };
}

function withoutBias(g: Builder, name: string, x: Value, weight: (name: string) => Value): Value {
  const stored = weight(`${name}.weight`);
  const [out = 0, ...rest] = g.shape(stored);
  return g.matmul(x, g.reshape(stored, [out, elementCount(rest)]), { transposeRight: true });
}

export function twinSizes(config: VisionConfig, shape: TwinShape): ModelSizes {
  const layers = matrices(config, shape);
  let factors = 0;
  for (const layer of layers.values()) factors += sumOf(layer.factors.shapes);
  let whole = 0;
  for (const [name, size] of visionTensors(config)) {
    const isMatrix = layers.has(layerOf(name)) && !name.endsWith('.bias');
    if (!isMatrix) whole += shape.router.expertCount * elementCount(size);
  }
  const trainable = sumOf(allRouterTensors(1, shape.router));
  return {
    trainable,
    total: parameterCount(config) + factors + whole + trainable,
    dictionary: 0,
    kept: 0,
    factors,
    passes: 2,
  };
}
