/** Saves and loads the demo's models: Hugging Face layout, fp16 as they are shipped. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../main/checkpoints/open.ts';
import { writeSafetensors } from '../../main/checkpoints/writer.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import { formatVisionConfig, type VisionConfig } from '../../main/models/vision-config.ts';
import { loadVisionModel, type VisionModel } from '../../main/models/vision-model.ts';
import { normalisation } from './settings.ts';

export async function saveModel(
  folder: string,
  config: VisionConfig,
  weights: ReadonlyMap<string, Tensor>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  await writeFile(join(folder, 'config.json'), json(formatVisionConfig(config)));
  await writeFile(
    join(folder, 'preprocessor_config.json'),
    json({
      size: { shortest_edge: config.imageSize },
      crop_size: { height: config.imageSize, width: config.imageSize },
      image_mean: normalisation.mean,
      image_std: normalisation.deviation,
    }),
  );
  const tensors = [...weights]
    .filter(([name]) => name !== 'classifier')
    .map(([name, { shape, data }]) => ({ name, dtype: 'F16' as const, shape, data }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, new Map([['format', 'pt']]));
}

export async function loadModel(folder: string): Promise<VisionModel> {
  const checkpoint = await openCheckpoint(folder);
  try {
    return await loadVisionModel(checkpoint);
  } finally {
    await checkpoint.close();
  }
}
