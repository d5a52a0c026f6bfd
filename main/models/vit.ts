/**
 * The CLIP vision transformer (Radford et al. 2021) in Hugging Face's layout, written once as a graph:
 * pre-LN blocks, class token, learned positions, features = (projected) post-LN class token.
 * Shapes: B images, N tokens, d hidden size, f = intermediate size.
 */
import type { Builder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/program.ts';
import {
  addAffine,
  blockMlpTensors,
  blockPrefix,
  blockTensors,
  denseMlp,
  layerNorm,
  transformerBlocks,
  type MlpBlock,
  type WeightSource,
} from './transformer.ts';
import { tokenCount, type VisionConfig } from './vision-config.ts';

const root = 'vision_model';
const embeddings = `${root}.embeddings`;

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
    [`${embeddings}.class_embedding`, [d]],
    [`${embeddings}.patch_embedding.weight`, [d, channelCount, patchSize, patchSize]],
    [`${embeddings}.position_embedding.weight`, [tokenCount(config), d]],
  ]);
  addAffine(shapes, `${root}.pre_layrnorm`, [d]);
  for (const [name, shape] of blockTensors(root, config)) shapes.set(name, shape);
  addAffine(shapes, `${root}.post_layernorm`, [d]);
  if (projectionSize !== undefined) shapes.set('visual_projection.weight', [projectionSize, d]);
  return shapes;
}

/** Shape of a batch of preprocessed images. */
export function imageShape(config: VisionConfig, batch: number): Shape {
  return [batch, config.channelCount, config.imageSize, config.imageSize];
}

/**
 * Features [B, e] of images [B, channels, size, size]. Batch-generic: no equation names B.
 * `mlp` replaces the MLP of every block (WEMoE); by default it is built from `weight`.
 */
export function encodeImages(
  g: Builder,
  config: VisionConfig,
  images: Value,
  weight: WeightSource,
  mlp: MlpBlock = (layer, u) => denseMlp(g, config, u, mlpTensors(layer).map(weight)),
): Value {
  const tokens = layerNorm(
    g,
    config,
    `${root}.pre_layrnorm`,
    embed(g, config, images, weight),
    weight,
  );
  const x = transformerBlocks(g, config, tokens, { root, weight, mlp });
  const classToken = g.reshape(g.slice(x, 1, 0, 1), [-1, config.hiddenSize]);
  const pooled = layerNorm(g, config, `${root}.post_layernorm`, classToken, weight);
  if (config.projectionSize === undefined) return pooled;
  return g.matmul(pooled, weight('visual_projection.weight'), { transposeRight: true });
}

/**
 * Patch embedding as a matrix product (a convolution whose stride equals its kernel), class token in
 * front, learned positions. The class token is added as row 0 of the positions, so that it need not
 * be repeated over the batch.
 */
function embed(g: Builder, config: VisionConfig, images: Value, weight: WeightSource): Value {
  const { hiddenSize: d, patchSize: p, channelCount: c, imageSize } = config;
  const grid = Math.floor(imageSize / p);
  const crop = (x: Value, axis: number) =>
    grid * p === imageSize ? x : g.slice(x, axis, 0, grid * p);
  const cells = g.reshape(crop(crop(images, 2), 3), [0, c, grid, p, grid, p]);
  const patches = g.reshape(g.transpose(cells, [0, 2, 4, 1, 3, 5]), [0, grid * grid, c * p * p]);
  const kernel = g.reshape(weight(`${embeddings}.patch_embedding.weight`), [d, c * p * p]);
  const tokens = g.pad(g.matmul(patches, kernel, { transposeRight: true }), 1, 1, 0);
  const classRow = g.reshape(weight(`${embeddings}.class_embedding`), [1, d]);
  const positions = g.add(
    weight(`${embeddings}.position_embedding.weight`),
    g.pad(classRow, 0, 0, grid * grid),
  );
  return g.add(tokens, positions);
}

/** Number of parameters of the encoder. */
export function parameterCount(config: VisionConfig): number {
  let count = 0;
  for (const shape of visionTensors(config).values()) {
    count += shape.reduce((product, size) => product * size, 1);
  }
  return count;
}
