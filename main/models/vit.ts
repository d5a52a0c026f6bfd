/**
 * The CLIP vision transformer (Radford et al. 2021) in Hugging Face's layout, written once as a graph:
 * pre-LN blocks, class token, learned positions, features = (projected) post-LN class token.
 * Shapes: B images, N tokens, d hidden size, f = intermediate size, h heads.
 */
import type { Builder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/program.ts';
import { tokenCount, type VisionConfig } from './vision-config.ts';

/** Gives the value of a named weight; where it comes from (a constant, a merge) is the caller's matter. */
export type WeightSource = (name: string) => Value;

/** The MLP of block `layer` applied to u = LN2 output [B, N, d]; returns [B, N, d]. */
export type MlpBlock = (layer: number, u: Value) => Value;

const root = 'vision_model';
const embeddings = `${root}.embeddings`;

export function layerPrefix(layer: number): string {
  return `${root}.encoder.layers.${String(layer)}`;
}

/** The four tensors φ = {W1 [f, d], b1 [f], W2 [d, f], b2 [d]} of the MLP of one block. */
export function mlpTensors(layer: number): readonly [string, string, string, string] {
  const prefix = `${layerPrefix(layer)}.mlp`;
  return [
    `${prefix}.fc1.weight`,
    `${prefix}.fc1.bias`,
    `${prefix}.fc2.weight`,
    `${prefix}.fc2.bias`,
  ];
}

/** Every tensor of the architecture with its shape, in the order of transformers' state dict. */
export function visionTensors(config: VisionConfig): ReadonlyMap<string, Shape> {
  const { hiddenSize: d, intermediateSize: f, patchSize, channelCount, projectionSize } = config;
  const shapes = new Map<string, Shape>([
    [`${embeddings}.class_embedding`, [d]],
    [`${embeddings}.patch_embedding.weight`, [d, channelCount, patchSize, patchSize]],
    [`${embeddings}.position_embedding.weight`, [tokenCount(config), d]],
  ]);
  const affine = (name: string, weight: Shape) => {
    shapes.set(`${name}.weight`, weight);
    shapes.set(`${name}.bias`, [weight[0] ?? 0]);
  };
  affine(`${root}.pre_layrnorm`, [d]);
  for (let layer = 0; layer < config.layerCount; layer++) {
    const prefix = layerPrefix(layer);
    for (const projection of ['k_proj', 'v_proj', 'q_proj', 'out_proj']) {
      affine(`${prefix}.self_attn.${projection}`, [d, d]);
    }
    affine(`${prefix}.layer_norm1`, [d]);
    affine(`${prefix}.mlp.fc1`, [f, d]);
    affine(`${prefix}.mlp.fc2`, [d, f]);
    affine(`${prefix}.layer_norm2`, [d]);
  }
  affine(`${root}.post_layernorm`, [d]);
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
  const norm = (name: string, x: Value) =>
    g.layerNorm(x, weight(`${name}.weight`), weight(`${name}.bias`), config.layerNormEpsilon);
  const linear = (name: string, x: Value) =>
    g.add(g.matmul(x, weight(`${name}.weight`), { transposeRight: true }), weight(`${name}.bias`));

  let x = norm(`${root}.pre_layrnorm`, embed(g, config, images, weight));
  for (let layer = 0; layer < config.layerCount; layer++) {
    const prefix = layerPrefix(layer);
    const attended = attention(g, config, norm(`${prefix}.layer_norm1`, x), (projection, input) =>
      linear(`${prefix}.self_attn.${projection}`, input),
    );
    x = g.add(x, attended);
    x = g.add(x, mlp(layer, norm(`${prefix}.layer_norm2`, x)));
  }
  const classToken = g.reshape(g.slice(x, 1, 0, 1), [-1, config.hiddenSize]);
  const pooled = norm(`${root}.post_layernorm`, classToken);
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

function attention(
  g: Builder,
  config: VisionConfig,
  u: Value,
  project: (projection: string, input: Value) => Value,
): Value {
  const { hiddenSize: d, headCount: h } = config;
  const n = tokenCount(config);
  const split = (x: Value) => g.transpose(g.reshape(x, [0, n, h, d / h]), [0, 2, 1, 3]);
  const query = split(g.scale(project('q_proj', u), 1 / Math.sqrt(d / h)));
  const key = split(project('k_proj', u));
  const value = split(project('v_proj', u));
  const weights = g.softmax(g.matmul(query, key, { transposeRight: true }));
  const mixed = g.transpose(g.matmul(weights, value), [0, 2, 1, 3]);
  return project('out_proj', g.reshape(mixed, [0, n, d]));
}

export function activate(g: Builder, config: VisionConfig, x: Value): Value {
  if (config.activation === 'quick_gelu') return g.unary('quickGelu', x);
  const half = g.scale(x, 0.5);
  return g.add(half, g.mul(half, g.unary('erf', g.scale(x, Math.SQRT1_2))));
}

function denseMlp(g: Builder, config: VisionConfig, u: Value, weights: readonly Value[]): Value {
  const [w1, b1, w2, b2] = weights as [Value, Value, Value, Value];
  const hidden = activate(g, config, g.add(g.matmul(u, w1, { transposeRight: true }), b1));
  return g.add(g.matmul(hidden, w2, { transposeRight: true }), b2);
}

/** Number of parameters of the encoder. */
export function parameterCount(config: VisionConfig): number {
  let count = 0;
  for (const shape of visionTensors(config).values()) {
    count += shape.reduce((product, size) => product * size, 1);
  }
  return count;
}
