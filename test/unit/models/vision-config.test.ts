import { describe, expect, it, test } from 'vitest';
import {
  featureSize,
  formatVisionConfig,
  parseVisionConfig,
  tokenCount,
  type VisionConfig,
} from '../../../main/models/vision-config.ts';
import { parameterCount, visionTensors } from '../../../main/models/vit.ts';
import { expectFailure } from '../../support/app-errors.ts';

const parse = (json: unknown, projected = false) =>
  parseVisionConfig(json, { where: 'somewhere', projected });

/** transformers' defaults are those of ViT-B/32. */
const vitB32: VisionConfig = {
  hiddenSize: 768,
  intermediateSize: 3072,
  layerCount: 12,
  headCount: 12,
  imageSize: 224,
  patchSize: 32,
  channelCount: 3,
  activation: 'quick_gelu',
  layerNormEpsilon: 1e-5,
  projectionSize: undefined,
};
const vitB16 = { ...vitB32, patchSize: 16 };
const vitL14 = {
  ...vitB32,
  hiddenSize: 1024,
  intermediateSize: 4096,
  layerCount: 24,
  headCount: 16,
  patchSize: 14,
};

describe('config.json', () => {
  it('of a vision encoder may leave out what equals the defaults', () => {
    expect(parse({ model_type: 'clip_vision_model' })).toEqual(vitB32);
  });

  it('of a whole CLIP model is read from its vision_config', () => {
    const json = {
      architectures: ['CLIPModel'],
      model_type: 'clip',
      projection_dim: 768,
      hidden_size: 9, // of no meaning out here
      text_config: { hidden_size: 512 },
      vision_config: {
        model_type: 'clip_vision_model',
        hidden_size: 1024,
        intermediate_size: 4096,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        patch_size: 14,
        attention_dropout: 0.0,
      },
    };
    expect(parse(json)).toEqual(vitL14);
    expect(parse(json, true)).toEqual({ ...vitL14, projectionSize: 768 });
  });

  it('of a whole CLIP model may have no vision_config', () => {
    expect(parse({ model_type: 'clip' })).toEqual(vitB32);
  });

  test.each([
    ['the encoder', { model_type: 'clip_vision_model', projection_dim: 64 }, 64],
    ['vision_config', { model_type: 'clip', vision_config: { projection_dim: 64 } }, 64],
    [
      'a whole model before its vision_config, as CLIPModel does',
      { model_type: 'clip', projection_dim: 32, vision_config: { projection_dim: 64 } },
      32,
    ],
    ['the default', { model_type: 'clip_vision_model' }, 512],
  ])('takes the projection size from %s', (_where, json, size) => {
    expect(parse(json, true).projectionSize).toBe(size);
    // Without projection weights the features are as wide as the encoder.
    expect(parse(json).projectionSize).toBeUndefined();
  });

  test.each([
    vitB32,
    vitL14,
    { ...vitB32, activation: 'gelu' as const, layerNormEpsilon: 1e-6, channelCount: 1 },
    { ...vitB32, projectionSize: 512 },
  ])('written for %o is read back the same', (config) => {
    const json: unknown = JSON.parse(JSON.stringify(formatVisionConfig(config)));
    expect(parse(json, config.projectionSize !== undefined)).toEqual(config);
  });

  test('that is missing is model.config_missing', async () => {
    const error = await expectFailure(() => parse(undefined), 'model.config_missing');
    expect(error.where).toBe('somewhere');
  });

  const vision = (changes: object) => ({ model_type: 'clip_vision_model', ...changes });
  test.each<[string, unknown, RegExp]>([
    ['a list', [], /config\.json/],
    ['a string', 'clip', /config\.json/],
    ['null', null, /config\.json/],
    ['no model_type', {}, /model_type: must be "clip".* is undefined/],
    ['another architecture', { model_type: 'vit' }, /model_type: must be "clip".* is "vit"/],
    ['a vision_config that is no object', { model_type: 'clip', vision_config: 3 }, /config/],
    ['a size of zero', vision({ hidden_size: 0 }), /hidden_size/],
    ['a negative size', vision({ patch_size: -32 }), /patch_size/],
    ['a fraction', vision({ num_hidden_layers: 1.5 }), /num_hidden_layers/],
    ['a size as text', vision({ image_size: '224' }), /image_size/],
    ['a size beyond reason', vision({ intermediate_size: 1e9 }), /intermediate_size/],
    ['an unknown activation', vision({ hidden_act: 'swish' }), /hidden_act/],
    ['no epsilon', vision({ layer_norm_eps: 0 }), /layer_norm_eps/],
    ['heads that do not divide', vision({ num_attention_heads: 7 }), /num_attention_heads/],
    ['a patch larger than the image', vision({ image_size: 16 }), /patch_size 32/],
    ['a bad projection', vision({ projection_dim: 0 }), /projection_dim/],
  ])('with %s is model.config_invalid', async (_what, json, message) => {
    const error = await expectFailure(() => parse(json), 'model.config_invalid');
    expect(error.what).toMatch(message);
  });
});

describe('sizes', () => {
  // Counts as transformers reports them (sum of numel over CLIPVisionModel's parameters).
  test.each([
    ['ViT-B/32', vitB32, 87_456_000, 50],
    ['ViT-B/16', vitB16, 85_799_424, 197],
    ['ViT-L/14', vitL14, 303_179_776, 257],
  ])('%s', (_name, config, parameters, tokens) => {
    expect(parameterCount(config)).toBe(parameters);
    expect(tokenCount(config)).toBe(tokens);
    expect(featureSize(config)).toBe(config.hiddenSize);
    expect(visionTensors(config).size).toBe(7 + 16 * config.layerCount);
  });

  it('count the projection where there is one', () => {
    const config = { ...vitB32, projectionSize: 512 };
    expect(parameterCount(config)).toBe(87_456_000 + 512 * 768);
    expect(featureSize(config)).toBe(512);
  });
});
