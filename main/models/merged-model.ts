/**
 * A vision encoder whose weights may depend on numbers that are still being learned (merge
 * coefficients, routers) and on its input. Every merge, static or dynamic, is one of these, so that
 * adaptation, evaluation and export need to know nothing about methods.
 */
import type { Builder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/program.ts';
import type { Tensor, TensorMap } from '../lib/tensor.ts';
import { encodeImages, visionTensors } from './vit.ts';
import type { VisionConfig } from './vision-config.ts';
import type { VisionModel } from './vision-model.ts';

/**
 * Whose routing weights a batch shares: `per-sample`, every image has its own; `batch-mean`, the
 * images of one group share the mean of theirs (a group is one task's images in a step).
 */
export type Reduction = 'per-sample' | 'batch-mean';

/** What is adapted: travels to the engine with every run. */
export interface Trainable {
  readonly name: string;
  readonly shape: Shape;
  readonly initial: Float32Array;
}

export interface Encoding {
  /** [B, e] */
  readonly features: Value;
  /** λ of each routed layer, [G, K] with one row per group of images that share weights; [] if static. */
  readonly routing: readonly Value[];
}

export interface EncodeOptions {
  readonly reduction: Reduction;
  /** Equal, consecutive parts of the batch that share weights under `batch-mean`. */
  readonly groups: number;
}

/** What a file says of a model beside its tensors, so that a reader can build it again. */
export interface ModelForm {
  readonly kind: string;
  readonly [setting: string]: string | number | boolean;
}

/** What makes of an encoder's features those for images of a known task. */
export interface TaskFeatures {
  /** Experts, one for each task. */
  readonly experts: number;
  /** Features [B, e] by `own` [B, K]: 1 where an image is of the task of expert k; all 0 leaves them as they are. */
  apply(g: Builder, features: Value, own: Value): Value;
}

export interface MergedModel {
  readonly config: VisionConfig;
  /** There where predictions need to know which task an image is of. */
  readonly byTask?: TaskFeatures;
  /** There where the weights depend on the image. */
  readonly form?: ModelForm;
  /**
   * The ordinary weights that `lambdas` [routed layer][expert] make of this model when no image has a say, where
   * that is more than a sum of task vectors.
   */
  readonly fold?: (
    values: TensorMap,
    lambdas: readonly ArrayLike<number>[],
  ) => ReadonlyMap<string, Tensor>;
  /** Frozen tensors by the names that `encode` declares as constants. */
  readonly constants: TensorMap;
  readonly trainables: readonly Trainable[];
  encode(g: Builder, images: Value, options: EncodeOptions): Encoding;
}

/** An ordinary encoder as a merged model: nothing to learn, nothing routed. */
export function staticModel({ config, weights }: VisionModel): MergedModel {
  return {
    config,
    constants: weights,
    trainables: [],
    encode: (g, images) => ({
      features: encodeImages(g, config, images, constantWeights(g, config)),
      routing: [],
    }),
  };
}

/** Weights that the engine keeps under their own names. */
export function constantWeights(g: Builder, config: VisionConfig): (name: string) => Value {
  const shapes = visionTensors(config);
  return (name) => g.constant(name, shapeNamed(shapes, name));
}

export function shapeNamed(shapes: ReadonlyMap<string, Shape>, name: string): Shape {
  const shape = shapes.get(name);
  if (shape === undefined) throw new Error(`the architecture has no tensor "${name}"`);
  return shape;
}

/** Name of the result that holds λ of routed layer `layer`. */
export function routingName(layer: number): string {
  return `routing/${String(layer)}`;
}

/** Trainables as tensors, at their initial values. */
export function initialValues(model: MergedModel): Map<string, Tensor> {
  return new Map(
    model.trainables.map(({ name, shape, initial }) => [name, { shape, data: initial.slice() }]),
  );
}
