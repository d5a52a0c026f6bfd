/** Frozen weights in 16 bits while a run adapts and evaluates: task vectors, base, merged and expert weights. */
import { halved } from '../checkpoints/half-tensor.ts';
import type { Storage } from '../engine/engine.ts';
import { elementCount, type Tensor } from '../lib/tensor.ts';
import type { MergedModel } from '../models/merged-model.ts';
import type { Recipe } from './recipe.ts';

/** Vectors, and what is shorter than this, stay as they are: they weigh nothing, and widening them costs a call. */
const shortest = 256;

export function storageOf({ engine }: Pick<Recipe, 'engine'>): Storage {
  return engine?.storage ?? 'fp32';
}

/** The constant `name` as it is kept. Throws `tensor.exceeds_half`. */
export function stored(storage: Storage, name: string, tensor: Tensor): Tensor {
  const { shape } = tensor;
  if (storage === 'fp32' || shape.length < 2 || elementCount(shape) < shortest) return tensor;
  return halved(name, tensor);
}

/** `model` with its constants as they are kept. Throws `tensor.exceeds_half`. */
export function storedModel(storage: Storage, model: MergedModel): MergedModel {
  if (storage === 'fp32') return model;
  const constants = [...model.constants].map(
    ([name, tensor]) => [name, stored(storage, name, tensor)] as const,
  );
  return { ...model, constants: new Map(constants) };
}
