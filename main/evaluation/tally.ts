/** Predictions on a task, gathered batch by batch. */
import type { LabelledSet } from '../data/labelled.ts';
import type { Tensor } from '../lib/tensor.ts';
import { logits, type Head } from '../models/head.ts';

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

/** What an encoder says about images: features [n, e] and λ [n, K] of each routed layer. */
export interface EncodedImages {
  readonly features: Tensor;
  readonly routing: readonly Tensor[];
}

export class Tally {
  readonly #set: LabelledSet;
  readonly #head: Head;
  readonly #predictions: Int32Array;
  readonly #confidences: Float32Array;
  #routing: Tensor | undefined;

  constructor(set: LabelledSet, head: Head) {
    this.#set = set;
    this.#head = head;
    this.#predictions = new Int32Array(set.labels.length);
    this.#confidences = new Float32Array(set.labels.length);
  }

  /** Takes note of the images `indices`, which are the rows of what the encoder returned. */
  add(indices: Uint32Array, { features, routing }: EncodedImages): void {
    const classes = this.#set.classNames.length;
    const scores = logits(this.#head, features);
    indices.forEach((index, i) => {
      const row = scores.subarray(i * classes, (i + 1) * classes);
      const predicted = argmax(row);
      this.#predictions[index] = predicted;
      this.#confidences[index] = probability(row, predicted);
    });
    routing.forEach((lambdas, layer) => {
      const experts = lambdas.shape[1] ?? 0;
      const { data } = (this.#routing ??= this.#noRouting(routing.length, experts));
      indices.forEach((index, i) => {
        const row = lambdas.data.subarray(i * experts, (i + 1) * experts);
        data.set(row, (index * routing.length + layer) * experts);
      });
    });
  }

  get evaluation(): TaskEvaluation {
    const { labels, classNames, images } = this.#set;
    const confusion = classNames.map(() => new Array<number>(classNames.length).fill(0));
    let correct = 0;
    this.#predictions.forEach((predicted, i) => {
      const truth = labels[i] ?? 0;
      const row = confusion[truth];
      if (row !== undefined) row[predicted] = (row[predicted] ?? 0) + 1;
      if (predicted === truth) correct++;
    });
    return {
      task: images.task,
      images: labels.length,
      correct,
      accuracy: correct / labels.length,
      predictions: this.#predictions,
      confidences: this.#confidences,
      confusion,
      routing: this.#routing,
    };
  }

  #noRouting(layers: number, experts: number): Tensor {
    const shape = [this.#set.labels.length, layers, experts];
    return { shape, data: new Float32Array(this.#set.labels.length * layers * experts) };
  }
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
