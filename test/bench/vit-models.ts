/** Vision encoders of CLIP ViT-B/32's shapes in fp32, filled with numbers like weights. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatVisionConfig, type VisionConfig } from '../../main/models/vision-config.ts';
import { parameterCount, visionTensors } from '../../main/models/vit.ts';
import { blockOf, writeFilled } from './filled-models.ts';

/** CLIP ViT-B/32. */
export const vitB32: VisionConfig = {
  hiddenSize: 768,
  intermediateSize: 3072,
  layerCount: 12,
  headCount: 12,
  imageSize: 224,
  patchSize: 32,
  channelCount: 3,
  activation: 'quick_gelu',
  layerNormEpsilon: 1e-5,
  projectionSize: 512,
};

/** Makes the models that are not there yet; returns their folders, the base first. */
export async function vitModels(
  folder: string,
  count: number,
): Promise<{ paths: string[]; parameters: number }> {
  const tensors = [...visionTensors(vitB32)].map(([name, shape]) => ({
    name,
    shape,
    dtype: 'F32' as const,
  }));
  const paths: string[] = [];
  for (let model = 0; model < count; model++) {
    const path = join(folder, `vit-${model}`);
    paths.push(path);
    if (existsSync(join(path, 'config.json'))) continue;
    await mkdir(path, { recursive: true });
    const filling = new Uint8Array(blockOf('vit', model).buffer);
    await writeFilled(join(path, 'model.safetensors'), tensors, filling);
    await writeFile(join(path, 'config.json'), JSON.stringify(formatVisionConfig(vitB32)));
  }
  return { paths, parameters: parameterCount(vitB32) };
}
