/** Accuracy of a merged model on labelled images, with everything that explains it. */
import { imageBatch } from '../data/images.ts';
import type { LabelledSet } from '../data/labelled.ts';
import type { Engine, Executable } from '../engine/engine.ts';
import { Builder } from '../graph/builder.ts';
import type { Program } from '../graph/program.ts';
import { breather } from '../lib/breath.ts';
import { throwIfCancelled } from '../lib/errors.ts';
import { oneAhead } from '../lib/one-ahead.ts';
import type { Tensor } from '../lib/tensor.ts';
import { logits, type Head } from '../models/head.ts';
import { routingName, type MergedModel, type Reduction } from '../models/merged-model.ts';
import { imageShape } from '../models/vit.ts';

export interface EncoderOptions {
  /** Images per call. */
  readonly batch: number;
  readonly reduction: Reduction;
}

/** A model compiled for inference with given values of its trainables. */
export interface Encoder {
  readonly layers: number;
  /** Features [n, e] and, by routed layer, λ [n, K] of images [n, …]. */
  encode(images: Tensor): Promise<{ features: Tensor; routing: readonly Tensor[] }>;
  dispose(): Promise<void>;
}

/** The forward pass: `features` [B, e] and `routing/…` [G, K] from `images` [B, c, s, s] and the trainables. */
export function encoderProgram(model: MergedModel, { batch, reduction }: EncoderOptions): Program {
  const g = new Builder();
  const images = g.input('images', imageShape(model.config, batch), { batch: true });
  const { features, routing } = model.encode(g, images, { reduction, groups: 1 });
  return g.build('encoder', {
    features,
    ...Object.fromEntries(routing.map((lambdas, layer) => [routingName(layer), lambdas])),
  });
}

/** Compiles `model` for batches of any size (under `batch-mean`, the images of a call share λ). */
export async function compileEncoder(
  engine: Engine,
  model: MergedModel,
  values: ReadonlyMap<string, Tensor>,
  options: EncoderOptions,
): Promise<Encoder> {
  const program = encoderProgram(model, options);
  const layers = program.results.length - 1;
  const executable: Executable = await engine.compile(program, model.constants);
  return {
    layers,
    encode: async (input) => {
      const results = await executable.run({ images: input, ...Object.fromEntries(values) });
      const count = input.shape[0] ?? 0;
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

export interface TaskEvaluation {
  readonly task: string;
  readonly images: number;
  readonly correct: number;
  readonly accuracy: number;
  /** Predicted class of each image. */
  readonly predictions: Int32Array;
  /** Softmax probability of the predicted class, in 0..1. */
  readonly confidences: Float32Array;
  /** Counts [true class][predicted class]. */
  readonly confusion: readonly (readonly number[])[];
  /** λ [images, layers, K]; undefined for a model without routers. */
  readonly routing: Tensor | undefined;
}

/** Runs all images of a task through an encoder; `onImages` hears how many are done. */
export async function evaluateTask(
  encoder: Encoder,
  set: LabelledSet,
  head: Head,
  {
    batch,
    signal,
    onImages,
    hold,
  }: {
    batch: number;
    signal?: AbortSignal | undefined;
    onImages?: (done: number) => void;
    /** Awaited before every batch; settles when the work may go on. */
    hold?: () => Promise<void>;
  },
): Promise<TaskEvaluation> {
  const count = set.labels.length;
  const classes = set.classNames.length;
  const predictions = new Int32Array(count);
  const confidences = new Float32Array(count);
  const collected: (readonly Tensor[])[] = [];
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
    const { features, routing } = await encoder.encode(images);
    await breathe();
    const scores = logits(head, features);
    indices.forEach((index, i) => {
      const row = scores.subarray(i * classes, (i + 1) * classes);
      const predicted = argmax(row);
      predictions[index] = predicted;
      confidences[index] = probability(row, predicted);
    });
    collected.push(routing);
    onImages?.((indices[0] ?? 0) + indices.length);
  }
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  let correct = 0;
  predictions.forEach((predicted, i) => {
    const truth = set.labels[i] ?? 0;
    const row = confusion[truth];
    if (row !== undefined) row[predicted] = (row[predicted] ?? 0) + 1;
    if (predicted === truth) correct++;
  });
  return {
    task: set.images.task,
    images: count,
    correct,
    accuracy: correct / count,
    predictions,
    confidences,
    confusion,
    routing: encoder.layers === 0 ? undefined : stackRouting(collected, count),
  };
}

/** Share of each class's images that are predicted right; null for a class without images. */
export function perClassAccuracy(confusion: TaskEvaluation['confusion']): (number | null)[] {
  return confusion.map((row, truth) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return total === 0 ? null : (row[truth] ?? 0) / total;
  });
}

/** Index of the largest value; the first of equals. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if ((values[i] ?? -Infinity) > (values[best] ?? -Infinity)) best = i;
  }
  return best;
}

/** Softmax probability of the class with the largest logit; 0 where the logits are no numbers. */
function probability(row: Float32Array, largest: number): number {
  const top = row[largest] ?? 0;
  let sum = 0;
  for (const logit of row) sum += Math.exp(logit - top);
  return Number.isFinite(sum) ? 1 / sum : 0;
}

/** Batches of per-layer λ [n, K] joined to [images, layers, K]. */
function stackRouting(batches: readonly (readonly Tensor[])[], images: number): Tensor {
  const layers = batches[0]?.length ?? 0;
  const experts = batches[0]?.[0]?.shape[1] ?? 0;
  const data = new Float32Array(images * layers * experts);
  let first = 0;
  for (const batch of batches) {
    const count = batch[0]?.shape[0] ?? 0;
    batch.forEach((lambdas, layer) => {
      for (let row = 0; row < count; row++) {
        const values = lambdas.data.subarray(row * experts, (row + 1) * experts);
        data.set(values, ((first + row) * layers + layer) * experts);
      }
    });
    first += count;
  }
  return { shape: [images, layers, experts], data };
}
