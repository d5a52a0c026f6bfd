/** config.json of a CLIP vision encoder (Hugging Face layout) → the numbers that define its shapes. */
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';
import { invalidConfig, parseConfig, size } from './clip-config.ts';

export interface VisionConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly imageSize: number;
  readonly patchSize: number;
  readonly channelCount: number;
  readonly activation: 'quick_gelu' | 'gelu';
  readonly layerNormEpsilon: number;
  /** Width of the features after `visual_projection`; undefined when the model has none. */
  readonly projectionSize: number | undefined;
}

/** Defaults are those of transformers' CLIPVisionConfig (ViT-B/32), which may leave keys out. */
const visionSchema = z.object({
  hidden_size: size.default(768),
  intermediate_size: size.default(3072),
  num_hidden_layers: size.default(12),
  num_attention_heads: size.default(12),
  image_size: size.default(224),
  patch_size: size.default(32),
  num_channels: size.default(3),
  hidden_act: z.enum(['quick_gelu', 'gelu']).default('quick_gelu'),
  layer_norm_eps: z.number().positive().default(1e-5),
  projection_dim: size.optional(),
});

const configSchema = z.object({
  model_type: z.enum(['clip', 'clip_vision_model'], {
    error: ({ input }) => `must be "clip" or "clip_vision_model", is ${JSON.stringify(input)}`,
  }),
  architectures: z.array(z.string()).optional(),
  vision_config: z.unknown().optional(),
  projection_dim: size.optional(),
});

/** Tokens of one image: its patches and the class token. */
export function tokenCount({ imageSize, patchSize }: VisionConfig): number {
  return Math.floor(imageSize / patchSize) ** 2 + 1;
}

export function featureSize({ projectionSize, hiddenSize }: VisionConfig): number {
  return projectionSize ?? hiddenSize;
}

/**
 * Reads a parsed config.json: that of a vision encoder, or of a whole CLIP model (its
 * `vision_config`). `projected` says whether the checkpoint holds `visual_projection.weight`, and `width`
 * how many features that gives where config.json leaves it out.
 * Throws `model.config_missing` or `model.config_invalid`.
 */
export function parseVisionConfig(
  json: unknown,
  {
    where,
    projected,
    width = 512,
  }: { where: string; projected: boolean; width?: number | undefined },
): VisionConfig {
  if (json === undefined) {
    throw new AppError('model.config_missing', {
      what: 'there is no config.json beside the weights',
      where,
      hint: 'put the config.json of the Hugging Face model into the same folder',
    });
  }
  const outer = parseConfig(configSchema, json, where, 'vision');
  const whole = outer.model_type === 'clip';
  const vision = parseConfig(
    visionSchema,
    whole ? (outer.vision_config ?? {}) : json,
    where,
    'vision',
  );
  // A whole model projects both towers to the width that it states itself.
  const stated = (whole ? outer.projection_dim : undefined) ?? vision.projection_dim;
  if (vision.hidden_size % vision.num_attention_heads !== 0) {
    throw invalidConfig(
      where,
      'vision',
      `hidden_size ${String(vision.hidden_size)} is not a multiple of num_attention_heads`,
    );
  }
  if (vision.patch_size > vision.image_size) {
    throw invalidConfig(
      where,
      'vision',
      `patch_size ${String(vision.patch_size)} is larger than image_size`,
    );
  }
  return {
    hiddenSize: vision.hidden_size,
    intermediateSize: vision.intermediate_size,
    layerCount: vision.num_hidden_layers,
    headCount: vision.num_attention_heads,
    imageSize: vision.image_size,
    patchSize: vision.patch_size,
    channelCount: vision.num_channels,
    activation: vision.hidden_act,
    layerNormEpsilon: vision.layer_norm_eps,
    projectionSize: projected ? (stated ?? width) : undefined,
  };
}

/** The config.json that `parseVisionConfig` reads back as `config`. */
export function formatVisionConfig(config: VisionConfig): Record<string, unknown> {
  return {
    architectures: [
      config.projectionSize === undefined ? 'CLIPVisionModel' : 'CLIPVisionModelWithProjection',
    ],
    model_type: 'clip_vision_model',
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layerCount,
    num_attention_heads: config.headCount,
    image_size: config.imageSize,
    patch_size: config.patchSize,
    num_channels: config.channelCount,
    hidden_act: config.activation,
    layer_norm_eps: config.layerNormEpsilon,
    ...(config.projectionSize === undefined ? {} : { projection_dim: config.projectionSize }),
  };
}
