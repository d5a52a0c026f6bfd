/**
 * `open_clip_config.json`, the description beside a model that OpenCLIP saved, as the config.json that transformers
 * would have. Keys and their defaults are those of open_clip's CLIPVisionCfg and CLIPTextCfg.
 */
import { z } from 'zod';

const count = z.int().positive();

/** What every model that transformers' CLIP can hold has; a key that is not here changes the mathematics. */
const vision = z.strictObject({
  layers: count.default(12),
  width: count.default(768),
  head_width: count.default(64),
  mlp_ratio: z.number().positive().default(4),
  patch_size: count.default(16),
  image_size: z.union([count, z.tuple([count, count])]).default(224),
  // Of training, or what the encoder hands out beside its features.
  patch_dropout: z.unknown().optional(),
  output_tokens: z.unknown().optional(),
  ls_init_value: z.null().optional(),
  attentional_pool: z.literal(false).optional(),
  no_ln_pre: z.literal(false).optional(),
  final_ln_after_pool: z.literal(false).optional(),
  pool_type: z.literal('tok').optional(),
  pos_embed_type: z.literal('learnable').optional(),
});

const text = z.strictObject({
  context_length: count.default(77),
  vocab_size: count.default(49_408),
  width: count.default(512),
  heads: count.default(8),
  layers: count.default(12),
  mlp_ratio: z.number().positive().default(4),
});

const schema = z.object({
  model_cfg: z.object({
    embed_dim: count,
    quick_gelu: z.boolean().default(false),
    vision_cfg: vision,
    text_cfg: z.unknown().optional(),
  }),
});

/** Reads the features at the largest id, which is where OpenCLIP does: transformers' meaning of this end token. */
const atLargestToken = 2;

/**
 * config.json of a CLIP model; without `text_config` where its text tower is not CLIP's. A model that is none of
 * transformers' CLIP is given back as it is described, under a `model_type` that no reader of CLIP takes.
 */
export function huggingFaceConfig(openClip: unknown): Readonly<Record<string, unknown>> {
  const read = schema.safeParse(openClip);
  if (!read.success) return { model_type: 'open_clip', open_clip: openClip };
  const { embed_dim, quick_gelu, vision_cfg, text_cfg } = read.data.model_cfg;
  const activation = { hidden_act: quick_gelu ? 'quick_gelu' : 'gelu', layer_norm_eps: 1e-5 };
  const { width, layers, head_width, mlp_ratio, patch_size, image_size } = vision_cfg;
  const [height, breadth] = typeof image_size === 'number' ? [image_size, image_size] : image_size;
  if (height !== breadth || width % head_width !== 0) {
    return { model_type: 'open_clip', open_clip: openClip };
  }
  const readText = text.safeParse(text_cfg);
  return {
    model_type: 'clip',
    architectures: ['CLIPModel'],
    projection_dim: embed_dim,
    vision_config: {
      hidden_size: width,
      intermediate_size: Math.trunc(width * mlp_ratio),
      num_hidden_layers: layers,
      num_attention_heads: width / head_width,
      image_size: height,
      patch_size,
      ...activation,
    },
    ...(readText.success && {
      text_config: {
        vocab_size: readText.data.vocab_size,
        hidden_size: readText.data.width,
        intermediate_size: Math.trunc(readText.data.width * readText.data.mlp_ratio),
        num_hidden_layers: readText.data.layers,
        num_attention_heads: readText.data.heads,
        max_position_embeddings: readText.data.context_length,
        eos_token_id: atLargestToken,
        ...activation,
      },
    }),
  };
}
