/**
 * The CLIP vision transformer (Radford et al. 2021) in Hugging Face's layout, written once as a graph:
 * pre-LN blocks, class token, learned positions, features = (projected) post-LN class token.
 * Shapes: B images, N tokens, d hidden size, f = intermediate size.
 */
import type { Builder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/program.ts';
import { elementCount } from '../lib/tensor.ts';
import {
  activate,
  addAffine,
  blockMlpTensors,
  blockPrefix,
  blockTensors,
  layerNorm,
  linear,
  transformerBlocks,
  type Layer,
  type MlpBlock,
  type WeightSource,
} from './transformer.ts';
import { tokenCount, type VisionConfig } from './vision-config.ts';

const root = 'vision_model';
const embeddings = `${root}.embeddings`;
export const classEmbedding = `${embeddings}.class_embedding`;
export const positionEmbedding = `${embeddings}.position_embedding.weight`;
export const patchEmbedding = `${embeddings}.patch_embedding`;
export const visualProjection = 'visual_projection';

/** What a merge may put in place of parts of the encoder; a part left out is made of its weights. */
export interface EncoderParts {
  readonly mlp?: MlpBlock;
  /** Every linear layer; embedding of patches and projection of features, which have no bias, are two. */
  readonly linear?: Layer;
  readonly norm?: Layer;
  /** What is added to the tokens: learned positions, the class embedding in row 0; [N, d] or [B, N, d]. */
  readonly positions?: () => Value;
}

export function layerPrefix(layer: number): string {
  return blockPrefix(root, layer);
}

/** The four tensors φ = {W1 [f, d], b1 [f], W2 [d, f], b2 [d]} of the MLP of one block. */
export function mlpTensors(layer: number): readonly [string, string, string, string] {
  return blockMlpTensors(root, layer);
}

/** Every tensor of the architecture with its shape, in the order of transformers' state dict. */
export function visionTensors(config: VisionConfig): ReadonlyMap<string, Shape> {
  const { hiddenSize: d, patchSize, channelCount, projectionSize } = config;
  const shapes = new Map<string, Shape>([
    [classEmbedding, [d]],
    [`${patchEmbedding}.weight`, [d, channelCount, patchSize, patchSize]],
    [positionEmbedding, [tokenCount(config), d]],
  ]);
  addAffine(shapes, `${root}.pre_layrnorm`, [d]);
  for (const [name, shape] of blockTensors(root, config)) shapes.set(name, shape);
  addAffine(shapes, `${root}.post_layernorm`, [d]);
  if (projectionSize !== undefined) shapes.set(`${visualProjection}.weight`, [projectionSize, d]);
  return shapes;
}

/** The four projections of the attention of one block, as layers. */
export function attentionLayers(layer: number): readonly string[] {
  return ['q_proj', 'k_proj', 'v_proj', 'out_proj'].map(
    (projection) => `${layerPrefix(layer)}.self_attn.${projection}`,
  );
}

/** The two layers of the MLP of one block. */
export function mlpLayers(layer: number): readonly [string, string] {
  return [`${layerPrefix(layer)}.mlp.fc1`, `${layerPrefix(layer)}.mlp.fc2`];
}

/** Shape of a batch of preprocessed images. */
export function imageShape(config: VisionConfig, batch: number): Shape {
  return [batch, config.channelCount, config.imageSize, config.imageSize];
}

/** Features [B, e] of images [B, channels, size, size]. Batch-generic: no equation names B. */
export function encodeImages(
  g: Builder,
  config: VisionConfig,
  images: Value,
  weight: WeightSource,
  parts: EncoderParts = {},
): Value {
  const { linear: apply, norm } = layersOf(g, config, weight, parts);
  const x = encodeTokens(g, config, images, weight, parts);
  const classToken = g.reshape(g.slice(x, 1, 0, 1), [-1, config.hiddenSize]);
  const pooled = norm(`${root}.post_layernorm`, classToken);
  return config.projectionSize === undefined ? pooled : apply(visualProjection, pooled);
}

/** What the last block gives, [B, N, d]. */
export function encodeTokens(
  g: Builder,
  config: VisionConfig,
  images: Value,
  weight: WeightSource,
  parts: EncoderParts = {},
): Value {
  const { linear: apply, norm } = layersOf(g, config, weight, parts);
  const positions = parts.positions?.() ?? positionRows(g, config, weight);
  const tokens = norm(
    `${root}.pre_layrnorm`,
    g.add(patchTokens(g, config, images, apply), positions),
  );
  const ownMlp: MlpBlock = (layer, u) => {
    const [fc1, fc2] = mlpLayers(layer);
    return apply(fc2, activate(g, config, apply(fc1, u)));
  };
  const { mlp = ownMlp } = parts;
  return transformerBlocks(g, config, tokens, { root, weight, mlp, linear: apply, norm });
}

function layersOf(
  g: Builder,
  config: VisionConfig,
  weight: WeightSource,
  parts: EncoderParts,
): { linear: Layer; norm: Layer } {
  return {
    linear: parts.linear ?? ((name, x) => denseLayer(g, name, x, weight)),
    norm: parts.norm ?? ((name, x) => layerNorm(g, config, name, x, weight)),
  };
}

/** Whether the layer `name` adds a bias. */
export function hasBias(name: string): boolean {
  return name !== patchEmbedding && name !== visualProjection;
}

/** A linear layer from its weights; the kernel of the patch embedding is made a matrix. */
export function denseLayer(g: Builder, name: string, x: Value, weight: WeightSource): Value {
  if (hasBias(name)) return linear(g, name, x, weight);
  const stored = weight(`${name}.weight`);
  const [out = 0, ...rest] = g.shape(stored);
  return g.matmul(x, g.reshape(stored, [out, elementCount(rest)]), { transposeRight: true });
}

/**
 * Patch embedding as a matrix product (a convolution whose stride equals its kernel), with a row of
 * zeros for the class token in front.
 */
function patchTokens(g: Builder, config: VisionConfig, images: Value, apply: Layer): Value {
  const { patchSize: p, channelCount: c, imageSize } = config;
  const grid = Math.floor(imageSize / p);
  const crop = (x: Value, axis: number) =>
    grid * p === imageSize ? x : g.slice(x, axis, 0, grid * p);
  const cells = g.reshape(crop(crop(images, 2), 3), [0, c, grid, p, grid, p]);
  const patches = g.reshape(g.transpose(cells, [0, 2, 4, 1, 3, 5]), [0, grid * grid, c * p * p]);
  return g.pad(apply(patchEmbedding, patches), 1, 1, 0);
}

/** The class embedding is row 0, so that it need not be repeated over the batch. */
function positionRows(g: Builder, config: VisionConfig, weight: WeightSource): Value {
  const classRow = g.reshape(weight(classEmbedding), [1, config.hiddenSize]);
  return g.add(weight(positionEmbedding), g.pad(classRow, 0, 0, tokenCount(config) - 1));
}

/** Number of parameters of the encoder. */
export function parameterCount(config: VisionConfig): number {
  let count = 0;
  for (const shape of visionTensors(config).values()) {
    count += shape.reduce((product, size) => product * size, 1);
  }
  return count;
}
