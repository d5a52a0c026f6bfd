/** Accuracy of a merged model on labelled images, with everything that explains it. */
import { imageBatch } from '../data/images.ts';
import type { LabelledSet } from '../data/labelled.ts';
import type { Engine } from '../engine/engine.ts';
import { compileInRows, isOutOfMemory, type SmallerBatch } from '../engine/in-rows.ts';
import { Builder } from '../graph/builder.ts';
import { narrow } from '../graph/narrow.ts';
import type { Program } from '../graph/program.ts';
import { breather } from '../lib/breath.ts';
import { AppError, throwIfCancelled } from '../lib/errors.ts';
import { oneAhead } from '../lib/one-ahead.ts';
import type { Tensor } from '../lib/tensor.ts';
import type { Head } from '../models/head.ts';
import { routingName, type MergedModel, type Reduction } from '../models/merged-model.ts';
import { imageShape } from '../models/vit.ts';
import { Tally, type EncodedImages, type TaskEvaluation } from './tally.ts';

export interface EncoderOptions {
  /** Images per call. */
  readonly batch: number;
  readonly reduction: Reduction;
  /** Hears that the engine has too little memory for as many images in a call; their results stay the same. */
  readonly onSmaller?: ((change: SmallerBatch) => Promise<void>) | undefined;
}

/** Of each image, the place of the expert of its task. */
export type Owners = readonly (number | undefined)[];

/** A model compiled for inference with given values of its trainables. */
export interface Encoder {
  readonly layers: number;
  /**
   * Features [n, e] and, by routed layer, λ [n, K] of images [n, …]. `owners` says of which expert's task each image
   * is, for models that need to know it; where undefined, of none.
   */
  encode(images: Tensor, owners?: Owners): Promise<EncodedImages>;
  dispose(): Promise<void>;
}

/**
 * The forward pass: `features` [B, e] and `routing/…` [G, K] from `images` [B, c, s, s], the trainables and, for models
 * that need to know the task, `own` [B, K]; see TaskFeatures.
 */
export function encoderProgram(
  model: MergedModel,
  { batch, reduction }: Pick<EncoderOptions, 'batch' | 'reduction'>,
): Program {
  const g = new Builder();
  const images = g.input('images', imageShape(model.config, batch), { batch: true });
  const { features, routing } = model.encode(g, images, { reduction, groups: 1 });
  const { byTask } = model;
  const own = () => g.input('own', [batch, byTask?.experts ?? 0], { batch: true });
  return g.build('encoder', {
    features: byTask?.apply(g, features, own()) ?? features,
    ...Object.fromEntries(routing.map((lambdas, layer) => [routingName(layer), lambdas])),
  });
}

/**
 * Compiles `model` for batches of any size. A batch that is too much for the engine's memory is divided, except under
 * `batch-mean`, where the images of a call share λ: then `encode` throws `engine.out_of_memory`.
 */
export async function compileEncoder(
  engine: Engine,
  model: MergedModel,
  values: ReadonlyMap<string, Tensor>,
  options: EncoderOptions,
): Promise<Encoder> {
  const program = encoderProgram(model, options);
  const layers = program.results.length - 1;
  const { constants } = model;
  const shared = layers > 0 && options.reduction === 'batch-mean';
  const executable = shared
    ? await engine.compile(narrow(program), constants)
    : await compileInRows(engine, narrow(program), constants, options.onSmaller);
  return {
    layers,
    encode: async (input, owners = []) => {
      const count = input.shape[0] ?? 0;
      const inputs = {
        images: input,
        ...(model.byTask && { own: ownRows(owners, count, model.byTask.experts) }),
        ...Object.fromEntries(values),
      };
      const results = await executable.run(inputs).catch((error: unknown) => {
        throw shared && isOutOfMemory(error) ? indivisible(error, count) : error;
      });
      return {
        features: resultNamed(results, 'features'),
        routing: Array.from({ length: layers }, (_, layer) =>
          repeatRows(resultNamed(results, routingName(layer)), count),
        ),
      };
    },
    dispose: () => executable.dispose(),
  };
}

function indivisible(cause: AppError, images: number): AppError {
  return new AppError('engine.out_of_memory', {
    what: `${cause.what}: ${String(images)} images share their routing weights under batch-mean, so they cannot be divided`,
    hint: 'use a smaller batch for the evaluation, per-sample routing there, or the engine onnx',
    cause,
  });
}

/** [images, K] with 1 where an image is of the task of expert k. */
function ownRows(owners: Owners, images: number, experts: number): Tensor {
  const data = new Float32Array(images * experts);
  owners.forEach((owner, i) => {
    if (owner !== undefined) data[i * experts + owner] = 1;
  });
  return { shape: [images, experts], data };
}

function resultNamed(results: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = results[name];
  if (tensor === undefined) throw new Error(`the encoder returned no "${name}"`);
  return tensor;
}

/** One row per image, where one row of λ serves all of them. */
function repeatRows(lambdas: Tensor, count: number): Tensor {
  const [rows = 0, experts = 0] = lambdas.shape;
  if (rows === count) return lambdas;
  const data = new Float32Array(count * experts);
  for (let row = 0; row < count; row++) data.set(lambdas.data, row * experts);
  return { shape: [count, experts], data };
}

export interface EvaluationOptions {
  readonly batch: number;
  readonly signal?: AbortSignal | undefined;
  /** Hears how many images are done. */
  readonly onImages?: (done: number) => void;
  /** Awaited before every batch; settles when the work may go on. */
  readonly hold?: () => Promise<void>;
}

export interface TaskEvaluationOptions extends EvaluationOptions {
  /** Place of the task's expert among those of the model; undefined for a task that it has not seen. */
  readonly expert?: number | undefined;
}

/** Runs all images of a task through an encoder. */
export async function evaluateTask(
  encoder: Encoder,
  set: LabelledSet,
  head: Head,
  { batch, signal, onImages, hold, expert }: TaskEvaluationOptions,
): Promise<TaskEvaluation> {
  const count = set.labels.length;
  const tally = new Tally(set, head);
  const breathe = breather();
  const batches = oneAhead(Math.ceil(count / batch), async (number) => {
    const start = number * batch;
    const length = Math.min(batch, count - start);
    const indices = Uint32Array.from({ length }, (_, i) => start + i);
    return { indices, images: await imageBatch(set.images, indices) };
  });
  for await (const { indices, images } of batches) {
    await hold?.();
    throwIfCancelled(signal);
    const encoded = await encoder.encode(
      images,
      Array.from(indices, () => expert),
    );
    await breathe();
    tally.add(indices, encoded);
    onImages?.((indices[0] ?? 0) + indices.length);
  }
  return tally.evaluation;
}

/** Share of each class's images that are predicted right; null for a class without images. */
export function perClassAccuracy(confusion: TaskEvaluation['confusion']): (number | null)[] {
  return confusion.map((row, truth) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return total === 0 ? null : (row[truth] ?? 0) / total;
  });
}
