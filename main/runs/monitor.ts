/**
 * Accuracy on a sample while a method adapts, for a recipe that allows it: a curve to look at. Labels are
 * read here, beside the adaptation, which sees images alone.
 */
import { imageBatch } from '../data/images.ts';
import type { Engine } from '../engine/engine.ts';
import { compileEncoder } from '../evaluation/evaluate.ts';
import { argmax } from '../evaluation/tally.ts';
import { permutation, randomStream } from '../lib/random.ts';
import type { Tensor } from '../lib/tensor.ts';
import { logits } from '../models/head.ts';
import type { MergedModel, Reduction } from '../models/merged-model.ts';
import type { RunInputs } from './inputs.ts';
import type { Recipe } from './recipe.ts';

export interface Monitor {
  /** Accuracy with the present values, by task id. */
  measure(): Promise<Record<string, number>>;
  dispose(): Promise<void>;
}

/** `values` are read anew at every measurement. Each task's sample is the same throughout. */
export async function createMonitor(
  engine: Engine,
  model: MergedModel,
  values: ReadonlyMap<string, Tensor>,
  { tasks }: RunInputs,
  { seed, evaluation: { batch } }: Recipe,
  { images, reduction }: { images: number; reduction: Reduction },
): Promise<Monitor> {
  const samples = tasks.map(({ id, set }) =>
    permutation(randomStream(seed, 'monitor', id), set.labels.length).slice(0, images),
  );
  const encoder = await compileEncoder(engine, model, values, { batch, reduction });
  return {
    measure: async () => {
      const accuracy: Record<string, number> = {};
      for (const [index, { id, set, head }] of tasks.entries()) {
        const sample = samples[index] ?? new Uint32Array();
        let correct = 0;
        for (let start = 0; start < sample.length; start += batch) {
          const part = sample.subarray(start, start + batch);
          const owners = Array.from(part, () => index);
          const { features } = await encoder.encode(await imageBatch(set.images, part), owners);
          const scores = logits(head, features);
          const classes = set.classNames.length;
          part.forEach((image, i) => {
            const predicted = argmax(scores.subarray(i * classes, (i + 1) * classes));
            if (predicted === set.labels[image]) correct++;
          });
        }
        accuracy[id] = correct / sample.length;
      }
      return accuracy;
    },
    dispose: () => encoder.dispose(),
  };
}
