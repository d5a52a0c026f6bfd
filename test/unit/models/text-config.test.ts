import { describe, expect, it, test } from 'vitest';
import { elementCount } from '../../../main/lib/tensor.ts';
import { endPosition, textTensors } from '../../../main/models/clip-text.ts';
import { parseTextConfig, type TextConfig } from '../../../main/models/text-config.ts';
import { expectFailure } from '../../support/app-errors.ts';

const parse = (json: unknown) => parseTextConfig(json, 'somewhere');

/** transformers' defaults are those of ViT-B/32. */
const vitB32: TextConfig = {
  vocabularySize: 49_408,
  positionCount: 77,
  hiddenSize: 512,
  intermediateSize: 2048,
  layerCount: 12,
  headCount: 8,
  activation: 'quick_gelu',
  layerNormEpsilon: 1e-5,
  projectionSize: 512,
  endToken: 49_407,
};

describe('config.json', () => {
  it('may leave out what equals the defaults', () => {
    expect(parse({ model_type: 'clip_text_model' })).toEqual(vitB32);
    expect(parse({ model_type: 'clip' })).toEqual(vitB32);
  });

  it('of a whole CLIP model is read from its text_config, and its own projection', () => {
    const json = {
      model_type: 'clip',
      projection_dim: 768,
      vision_config: { hidden_size: 1024 },
      text_config: {
        hidden_size: 768,
        intermediate_size: 3072,
        num_attention_heads: 12,
        projection_dim: 512,
        eos_token_id: 2,
      },
    };
    expect(parse(json)).toEqual({
      ...vitB32,
      hiddenSize: 768,
      intermediateSize: 3072,
      headCount: 12,
      projectionSize: 768,
      endToken: undefined,
    });
  });

  test('that is missing is model.config_missing', async () => {
    await expectFailure(() => parse(undefined), 'model.config_missing');
  });

  const text = (changes: object) => ({ model_type: 'clip_text_model', ...changes });
  test.each<[string, unknown, RegExp]>([
    [
      'a vision encoder',
      { model_type: 'clip_vision_model' },
      /must be "clip" or "clip_text_model"/,
    ],
    ['a text_config that is no object', { model_type: 'clip', text_config: 3 }, /config/],
    ['heads that do not divide', text({ num_attention_heads: 7 }), /num_attention_heads/],
    ['an unknown activation', text({ hidden_act: 'swish' }), /hidden_act/],
    ['no vocabulary', text({ vocab_size: 0 }), /vocab_size/],
  ])('of %s is model.config_invalid', async (_what, json, message) => {
    const error = await expectFailure(() => parse(json), 'model.config_invalid');
    expect(error.what).toMatch(message);
  });
});

test('the parameters are as many as transformers counts', () => {
  const sizes = [...textTensors(vitB32).values()].map(elementCount);
  // CLIPTextModel has 63,165,952; its projection is 512 by 512.
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(63_165_952 + 512 * 512);
});

describe('features are read', () => {
  const legacy = { ...vitB32, endToken: undefined };
  test.each<[string, readonly number[], TextConfig, number]>([
    ['at the first end token', [49_406, 5, 49_407, 6, 49_407], vitB32, 2],
    ['at the first largest id of a legacy model', [9, 5, 20, 6, 20], legacy, 2],
    ['at the start where there is no end token', [49_406, 5, 6], vitB32, 0],
  ])('%s', (_where, ids, config, place) => {
    expect(endPosition(ids, config)).toBe(place);
  });
});
