/** Folders as OpenCLIP saves them: open_clip_config.json is all that describes the model and its images. */
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openModel } from '../../../main/checkpoints/open-model.ts';
import { readPreprocessing } from '../../../main/data/preprocessing.ts';
import { parseTextConfig } from '../../../main/models/text-config.ts';
import { loadVisionModel } from '../../../main/models/vision-model.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const weights = new URL('../../golden/clip/open_clip.safetensors', import.meta.url).pathname;
const mean = [0.5, 0.4, 0.3];
const std = [0.25, 0.2, 0.1];

/** The golden model's architecture, with what a case changes. */
async function savedModel(
  vision: Readonly<Record<string, unknown>> = {},
  images: Readonly<Record<string, unknown>> = {},
  model: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const folder = await temporaryFolder();
  await copyFile(weights, join(folder, 'open_clip_model.safetensors'));
  const description = {
    model_cfg: {
      embed_dim: 6,
      vision_cfg: { image_size: 8, layers: 2, width: 8, head_width: 4, patch_size: 4, ...vision },
      text_cfg: { context_length: 5, vocab_size: 16, width: 8, heads: 2, layers: 2 },
      ...model,
    },
    preprocess_cfg: { mean, std, ...images },
  };
  await writeFile(join(folder, 'open_clip_config.json'), JSON.stringify(description));
  return folder;
}

async function visionOf(folder: string) {
  const checkpoint = await openModel(folder);
  try {
    return await loadVisionModel(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

it('describes both towers', async () => {
  const folder = await savedModel();
  const { config, weights: loaded } = await visionOf(folder);
  expect(config).toMatchObject({
    hiddenSize: 8,
    intermediateSize: 32,
    layerCount: 2,
    headCount: 2,
    imageSize: 8,
    patchSize: 4,
    activation: 'gelu',
    projectionSize: 6,
  });
  expect(loaded.get('visual_projection.weight')?.shape).toEqual([6, 8]);
  const checkpoint = await openModel(folder);
  expect(parseTextConfig(checkpoint.config, folder)).toMatchObject({
    vocabularySize: 16,
    hiddenSize: 8,
    headCount: 2,
    positionCount: 5,
    endToken: undefined,
  });
  await checkpoint.close();
});

it('says which GELU it is', async () => {
  const { config } = await visionOf(await savedModel({}, {}, { quick_gelu: true }));
  expect(config.activation).toBe('quick_gelu');
});

it('leaves out a text tower that is not of CLIP, and keeps the vision tower', async () => {
  const text_cfg = { hf_model_name: 'roberta-base', width: 768 };
  const { config } = await visionOf(await savedModel({}, {}, { text_cfg }));
  expect(config.hiddenSize).toBe(8);
});

it.each([
  ['a network of timm', { timm_model_name: 'convnext_base' }],
  ['the mean of all tokens', { pool_type: 'avg' }],
  ['a ResNet', { layers: [3, 4, 6, 3] }],
  ['a rectangle', { image_size: [8, 16] }],
])('refuses as CLIP: %s', async (_name, vision) => {
  await expect(visionOf(await savedModel(vision))).rejects.toMatchObject({
    code: 'model.config_invalid',
    what: expect.stringContaining('open_clip') as string,
  });
});

it('a config.json beside it counts', async () => {
  const folder = await savedModel({ layers: 7 });
  const config = { model_type: 'clip_vision_model', hidden_size: 8, intermediate_size: 32 };
  const heads = { num_hidden_layers: 2, num_attention_heads: 2, image_size: 8, patch_size: 4 };
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, ...heads }));
  expect((await visionOf(folder)).config.layerCount).toBe(2);
});

it('says how images are prepared', async () => {
  const normalisation = { mean, deviation: std };
  expect(await readPreprocessing(await savedModel(), 8)).toEqual({
    edge: 8,
    stretch: false,
    filter: 'bicubic',
    size: 8,
    normalisation,
  });
  const squashed = await savedModel({}, { interpolation: 'bilinear', resize_mode: 'squash' });
  expect(await readPreprocessing(squashed, 8)).toMatchObject({ stretch: true, filter: 'bilinear' });
  await expect(
    savedModel({}, { resize_mode: 'longest' }).then((folder) => readPreprocessing(folder, 8)),
  ).rejects.toMatchObject({ code: 'data.invalid' });
});
