/**
 * The CLIP text transformer (Radford et al. 2021) in Hugging Face's layout, written once as a graph:
 * token and learned position embeddings, pre-LN blocks under a causal mask, features = projection of
 * the final LN at the end token. Shapes: B texts, n tokens, d hidden size, e features.
 *
 * A token sees only those before it and features are read at the end token, so whatever follows that
 * changes nothing: texts are cut to the longest of their batch instead of padded to all positions.
 */
import type { Builder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/program.ts';
import type { Tensor } from '../lib/tensor.ts';
import type { TextConfig } from './text-config.ts';
import {
  addAffine,
  blockMlpTensors,
  blockTensors,
  denseMlp,
  layerNorm,
  transformerBlocks,
  type WeightSource,
} from './transformer.ts';

const root = 'text_model';
/** [V, d]; rows are picked before a run, the program gets them as its input. */
export const tokenEmbedding = `${root}.embeddings.token_embedding.weight`;
const positionEmbedding = `${root}.embeddings.position_embedding.weight`;
/** Name of the constant that `causalMask` makes. */
const maskName = 'causal_mask';

/** Every tensor of the architecture with its shape, in the order of transformers' state dict. */
export function textTensors(config: TextConfig): ReadonlyMap<string, Shape> {
  const { hiddenSize: d, vocabularySize, positionCount, projectionSize } = config;
  const shapes = new Map<string, Shape>([
    [tokenEmbedding, [vocabularySize, d]],
    [positionEmbedding, [positionCount, d]],
  ]);
  for (const [name, shape] of blockTensors(root, config)) shapes.set(name, shape);
  addAffine(shapes, `${root}.final_layer_norm`, [d]);
  shapes.set('text_projection.weight', [projectionSize, d]);
  return shapes;
}

/** What the program keeps beside the weights for texts of `tokens` tokens. */
export function textConstants(tokens: number): ReadonlyMap<string, Tensor> {
  const data = new Float32Array(tokens * tokens);
  // Far below any score, so that softmax gives 0; finite, so that no engine makes NaN of it.
  for (let row = 0; row < tokens; row++)
    data.fill(-1e9, row * tokens + row + 1, (row + 1) * tokens);
  return new Map([[maskName, { shape: [tokens, tokens], data }]]);
}

/**
 * Features [B, e] of texts given as token embeddings [B, n, d] and `ends` [B, 1, n], which is 1 at the
 * end token of each text and 0 elsewhere. Batch-generic: no equation names B.
 */
export function encodeTexts(
  g: Builder,
  config: TextConfig,
  { embeddings, ends }: { readonly embeddings: Value; readonly ends: Value },
  weight: WeightSource,
): Value {
  const n = g.shape(embeddings)[1] ?? 0;
  const positions = weight(positionEmbedding);
  const tokens = g.add(
    embeddings,
    n === config.positionCount ? positions : g.slice(positions, 0, 0, n),
  );
  const mlp = (layer: number, u: Value) =>
    denseMlp(g, config, u, blockMlpTensors(root, layer).map(weight));
  const mask = g.constant(maskName, [n, n]);
  const x = transformerBlocks(g, config, tokens, { root, weight, mlp, mask });
  // The final LN works token by token, so only the end token needs it.
  const end = g.reshape(g.matmul(ends, x), [-1, config.hiddenSize]);
  const pooled = layerNorm(g, config, `${root}.final_layer_norm`, end, weight);
  return g.matmul(pooled, weight('text_projection.weight'), { transposeRight: true });
}

/**
 * Place of the token whose features stand for the text, as transformers chooses it: that of the first
 * end token, or of the first largest id where config.json has the legacy end token; else the start.
 */
export function endPosition(ids: readonly number[], { endToken }: TextConfig): number {
  return Math.max(0, ids.indexOf(endToken ?? Math.max(...ids)));
}
