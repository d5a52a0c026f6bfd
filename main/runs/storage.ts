/** Frozen weights in 16 bits while a run adapts and evaluates: task vectors, base, merged and expert weights. */
import { halved } from '../checkpoints/half-tensor.ts';
import type { Engine } from '../engine/engine.ts';
import { elementCount, type Tensor } from '../lib/tensor.ts';
import type { MergedModel } from '../models/merged-model.ts';

/** Vectors, and what is shorter than this, stay as they are: they weigh nothing, and widening them costs a call. */
const shortest = 1024;

/** How a run on `engine` keeps the constant `name`. Throws `tensor.exceeds_half`. */
export function stored({ description }: Engine, name: string, tensor: Tensor): Tensor {
  if (description.precision === 'fp32') return tensor;
  const { shape } = tensor;
  return shape.length < 2 || elementCount(shape) < shortest ? tensor : halved(name, tensor);
}

/** `model` as a run on `engine` keeps it. Throws `tensor.exceeds_half`. */
export function storedModel(engine: Engine, model: MergedModel): MergedModel {
  if (engine.description.precision === 'fp32') return model;
  const constants = [...model.constants].map(
    ([name, tensor]) => [name, stored(engine, name, tensor)] as const,
  );
  return { ...model, constants: new Map(constants) };
}
