/** A vision encoder in memory: architecture and fp32 weights, checked against each other. */
import type { Checkpoint } from '../checkpoints/checkpoint.ts';
import { AppError } from '../lib/errors.ts';
import type { Tensor, TensorMap } from '../lib/tensor.ts';
import { parseVisionConfig, type VisionConfig } from './vision-config.ts';
import { visionTensors } from './vit.ts';

export interface VisionModel {
  readonly config: VisionConfig;
  readonly weights: TensorMap;
}

/**
 * The architecture of a checkpoint, after checking that it holds every tensor of it in the right
 * shape. Tensors of other parts (text tower, logit scale, position ids) are left aside.
 * Throws `model.config_missing`, `model.config_invalid`, `model.tensor_missing`,
 * `model.shape_mismatch`.
 */
export function visionArchitecture(checkpoint: Checkpoint): VisionConfig {
  const where = checkpoint.path;
  const projection = checkpoint.tensors.get('visual_projection.weight');
  const config = parseVisionConfig(checkpoint.config, {
    where,
    projected: projection !== undefined,
    width: projection?.shape[0],
  });
  for (const [name, shape] of visionTensors(config)) {
    const info = checkpoint.tensors.get(name);
    if (info === undefined) {
      throw new AppError('model.tensor_missing', {
        what: `tensor "${name}" is missing`,
        where,
        hint: 'use a CLIP vision encoder in the Hugging Face layout whose config.json fits its weights',
      });
    }
    if (info.shape.join() !== shape.join()) {
      throw new AppError('model.shape_mismatch', {
        what: `tensor "${name}" has shape [${info.shape.join(', ')}], config.json asks for [${shape.join(', ')}]`,
        where,
        hint: 'check that config.json belongs to these weights',
      });
    }
  }
  return config;
}

/** Reads the whole encoder into memory as fp32. */
export async function loadVisionModel(checkpoint: Checkpoint): Promise<VisionModel> {
  const config = visionArchitecture(checkpoint);
  const weights = new Map<string, Tensor>();
  for (const name of visionTensors(config).keys()) weights.set(name, await checkpoint.read(name));
  return { config, weights };
}
