/** Which checkpoints can be merged: fine-tuned copies of one base, tensor for tensor. */
import type { Checkpoint } from '../checkpoints/checkpoint.ts';
import { AppError } from '../lib/errors.ts';
import { parseVisionConfig, type VisionConfig } from '../models/vision-config.ts';
import { visionArchitecture } from '../models/vision-model.ts';
import { visionTensors } from '../models/vit.ts';

/** Something a person should know before merging, which does not forbid it. */
export interface MergeWarning {
  readonly kind:
    | 'config_missing'
    | 'extra_tensors'
    | 'identical_to_base'
    | 'identical_experts'
    | 'far_from_base'
    | 'non_finite';
  /** The checkpoint it is about. */
  readonly path: string;
  readonly tensors: readonly string[];
  readonly message: string;
}

export interface Compatibility {
  /** The architecture all of them share. */
  readonly config: VisionConfig;
  readonly warnings: readonly MergeWarning[];
}

/**
 * Checks architecture, tensor names and shapes without reading a value. Throws `merge.no_experts`,
 * `merge.incompatible`, and what `visionArchitecture` throws for the base.
 */
export function checkCompatible(base: Checkpoint, experts: readonly Checkpoint[]): Compatibility {
  if (experts.length === 0) {
    throw new AppError('merge.no_experts', {
      what: 'there is no expert to merge',
      where: base.path,
      hint: 'add at least one fine-tuned checkpoint of this base model',
    });
  }
  const config = visionArchitecture(base);
  const warnings: MergeWarning[] = [];
  for (const expert of experts) {
    if (expert.config === undefined) {
      warnings.push({
        kind: 'config_missing',
        path: expert.path,
        tensors: [],
        message: 'has no config.json; its tensors fit, so the one of the base is used',
      });
    } else {
      checkConfig(expert, config, base.path);
    }
    checkTensors(expert, config, base.path);
    const extra = [...expert.tensors.keys()].filter((name) => !base.tensors.has(name));
    if (extra.length > 0) {
      warnings.push({
        kind: 'extra_tensors',
        path: expert.path,
        tensors: extra,
        message: `has ${extra.length} tensors that the base lacks; they are left out`,
      });
    }
  }
  return { config, warnings };
}

/** Compares everything config.json says, also what no shape shows, like the number of heads. */
function checkConfig(expert: Checkpoint, config: VisionConfig, basePath: string): void {
  const { projectionSize: width } = config;
  const found = parseVisionConfig(expert.config, {
    where: expert.path,
    projected: width !== undefined,
    // Vision encoders without a projection of their own seldom state its width.
    width,
  });
  for (const key of Object.keys(config) as (keyof VisionConfig)[]) {
    if (found[key] === config[key]) continue;
    throw new AppError('merge.incompatible', {
      what: `its config.json says ${key} ${String(found[key])}, the base ${basePath} has ${String(config[key])}`,
      where: expert.path,
      hint: 'choose an expert that was fine-tuned from this base model, or the base it was fine-tuned from',
    });
  }
}

function checkTensors(expert: Checkpoint, config: VisionConfig, basePath: string): void {
  for (const [name, shape] of visionTensors(config)) {
    const info = expert.tensors.get(name);
    const expected = `[${shape.join(', ')}]`;
    if (info === undefined) {
      throw new AppError('merge.incompatible', {
        what: `tensor "${name}" of shape ${expected} is missing`,
        where: expert.path,
        hint: `choose a checkpoint with the same tensors as the base ${basePath}`,
      });
    }
    if (info.shape.join() !== shape.join()) {
      throw new AppError('merge.incompatible', {
        what: `tensor "${name}" has shape [${info.shape.join(', ')}], the base has ${expected}`,
        where: expert.path,
        hint: `choose an expert that was fine-tuned from the base ${basePath}`,
      });
    }
  }
}
