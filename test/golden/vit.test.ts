/** Features that transformers' CLIPVisionModel gives (vit.py, with PyTorch). */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../main/checkpoints/open.ts';
import { openEngine } from '../../main/engine/registry.ts';
import { compileEncoder } from '../../main/evaluation/evaluate.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import { staticModel } from '../../main/models/merged-model.ts';
import { loadVisionModel, type VisionModel } from '../../main/models/vision-model.ts';
import { expectClose } from '../support/values.ts';

const folder = fileURLToPath(new URL('vit/', import.meta.url));

interface GoldenCase {
  readonly model: VisionModel;
  readonly images: Tensor;
  readonly features: Tensor;
}

async function readCase(name: string): Promise<GoldenCase> {
  const checkpoint = await openCheckpoint(`${folder}${name}`);
  try {
    return {
      model: await loadVisionModel(checkpoint),
      images: await checkpoint.read('images'),
      features: await checkpoint.read('features'),
    };
  } finally {
    await checkpoint.close();
  }
}

describe.each(readdirSync(folder).sort())('%s', (name) => {
  it.each(['reference', 'onnx', 'tfjs-wasm'] as const)('on %s', async (id) => {
    const { model, images, features } = await readCase(name);
    const options = { batch: images.shape[0]!, reduction: 'per-sample' } as const;
    const encoder = await compileEncoder(
      await openEngine(id),
      staticModel(model),
      new Map(),
      options,
    );
    const found = await encoder.encode(images);
    await encoder.dispose();
    expect(found.routing).toEqual([]);
    expectClose(found.features, features, 1e-5);
  });
});
