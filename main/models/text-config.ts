/** config.json of a CLIP text encoder (Hugging Face layout) → the numbers that define its shapes. */
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';
import { invalidConfig, parseConfig, size } from './clip-config.ts';
import type { TransformerShape } from './transformer.ts';

export interface TextConfig extends TransformerShape {
  readonly vocabularySize: number;
  /** Tokens of the longest text, start and end token among them. */
  readonly positionCount: number;
  /** Width of the features after `text_projection`. */
  readonly projectionSize: number;
  /** Token at whose place the features are read; undefined: at that of the largest id (see `endPosition`). */
  readonly endToken: number | undefined;
}

/**
 * OpenAI's checkpoints were converted with this id, which is no token of theirs; transformers then
 * takes the place of the largest id, which is that of CLIP's end token.
 */
const legacyEndToken = 2;

/** Defaults are those of transformers' CLIPTextConfig (ViT-B/32), which may leave keys out. */
const textSchema = z.object({
  vocab_size: z.number().int().positive().max(1_000_000).default(49_408),
  hidden_size: size.default(512),
  intermediate_size: size.default(2048),
  num_hidden_layers: size.default(12),
  num_attention_heads: size.default(8),
  max_position_embeddings: size.default(77),
  hidden_act: z.enum(['quick_gelu', 'gelu']).default('quick_gelu'),
  layer_norm_eps: z.number().positive().default(1e-5),
  eos_token_id: z.number().int().min(0).nullish(),
  projection_dim: size.optional(),
});

const configSchema = z.object({
  model_type: z.enum(['clip', 'clip_text_model'], {
    error: ({ input }) => `must be "clip" or "clip_text_model", is ${JSON.stringify(input)}`,
  }),
  text_config: z.unknown().optional(),
  projection_dim: size.optional(),
});

/**
 * Reads a parsed config.json: that of a text encoder, or of a whole CLIP model (its `text_config`).
 * Throws `model.config_missing` or `model.config_invalid`.
 */
export function parseTextConfig(json: unknown, where: string): TextConfig {
  if (json === undefined) {
    throw new AppError('model.config_missing', {
      what: 'there is no config.json beside the weights',
      where,
      hint: 'put the config.json of the Hugging Face CLIP model into the same folder',
    });
  }
  const outer = parseConfig(configSchema, json, where, 'text');
  const whole = outer.model_type === 'clip';
  const text = parseConfig(textSchema, whole ? (outer.text_config ?? {}) : json, where, 'text');
  if (text.hidden_size % text.num_attention_heads !== 0) {
    const what = `hidden_size ${String(text.hidden_size)} is not a multiple of num_attention_heads`;
    throw invalidConfig(where, 'text', what);
  }
  const end = text.eos_token_id ?? 49_407;
  return {
    vocabularySize: text.vocab_size,
    hiddenSize: text.hidden_size,
    intermediateSize: text.intermediate_size,
    layerCount: text.num_hidden_layers,
    headCount: text.num_attention_heads,
    positionCount: text.max_position_embeddings,
    activation: text.hidden_act,
    layerNormEpsilon: text.layer_norm_eps,
    // A whole model projects both towers to the width that it states itself.
    projectionSize: (whole ? outer.projection_dim : text.projection_dim) ?? 512,
    endToken: end === legacyEndToken ? undefined : end,
  };
}
