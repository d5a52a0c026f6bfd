/** A CLIP text encoder in memory: architecture and fp32 weights, checked against each other. */
import type { Checkpoint } from '../checkpoints/checkpoint.ts';
import { AppError } from '../lib/errors.ts';
import type { Tensor, TensorMap } from '../lib/tensor.ts';
import { textTensors } from './clip-text.ts';
import { parseTextConfig, type TextConfig } from './text-config.ts';

export interface TextModel {
  readonly config: TextConfig;
  readonly weights: TensorMap;
  /** ln of what cosines are multiplied by: CLIP's `logit_scale`. */
  readonly logitScale: number;
}

const scaleName = 'logit_scale';

/**
 * The architecture of the text tower of a checkpoint, after checking that it holds every tensor of it
 * in the right shape, and the logit scale. Tensors of other parts are left aside. Throws
 * `model.config_missing`, `model.config_invalid`, `model.tensor_missing`, `model.shape_mismatch`.
 */
export function textArchitecture(checkpoint: Checkpoint): TextConfig {
  const where = checkpoint.path;
  const config = parseTextConfig(checkpoint.config, where);
  for (const [name, shape] of [...textTensors(config), [scaleName, undefined] as const]) {
    const info = checkpoint.tensors.get(name);
    if (info === undefined) {
      throw new AppError('model.tensor_missing', {
        what: `tensor "${name}" of the text encoder is missing`,
        where,
        hint: 'use the folder of a whole CLIP model, which holds both encoders and the logit scale',
      });
    }
    if (shape !== undefined && info.shape.join() !== shape.join()) {
      throw new AppError('model.shape_mismatch', {
        what: `tensor "${name}" has shape [${info.shape.join(', ')}], config.json asks for [${shape.join(', ')}]`,
        where,
        hint: 'check that config.json belongs to these weights',
      });
    }
  }
  return config;
}

/** Names of the tensors that `loadTextModel` reads. */
export function textTensorNames(config: TextConfig): readonly string[] {
  return [...textTensors(config).keys(), scaleName];
}

/** Reads the text encoder into memory as fp32. Throws what `textArchitecture` and reading throw. */
export async function loadTextModel(checkpoint: Checkpoint): Promise<TextModel> {
  const config = textArchitecture(checkpoint);
  const weights = new Map<string, Tensor>();
  for (const name of textTensors(config).keys()) weights.set(name, await checkpoint.read(name));
  const logitScale = (await checkpoint.read(scaleName)).data[0] ?? 0;
  return { config, weights, logitScale };
}
