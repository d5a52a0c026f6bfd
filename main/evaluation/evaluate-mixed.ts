/** Evaluation in batches of mixed tasks: what a model is given in use, where nobody sorts images by task. */
import { writeImages } from '../data/images.ts';
import type { LabelledSet } from '../data/labelled.ts';
import { breather } from '../lib/breath.ts';
import { throwIfCancelled } from '../lib/errors.ts';
import { oneAhead } from '../lib/one-ahead.ts';
import { permutation, randomStream } from '../lib/random.ts';
import type { Tensor } from '../lib/tensor.ts';
import type { Head } from '../models/head.ts';
import type { Encoder, EvaluationOptions } from './evaluate.ts';
import { Tally, type TaskEvaluation } from './tally.ts';

/**
 * Runs the images of all tasks through an encoder in one random order. Every image is given the classes of its own
 * task; under `batch-mean` it shares its weights with images of any task.
 */
export async function evaluateMixed(
  encoder: Encoder,
  tasks: readonly {
    readonly set: LabelledSet;
    readonly head: Head;
    /** See TaskEvaluationOptions. */
    readonly expert?: number | undefined;
  }[],
  { batch, seed, signal, onImages, hold }: EvaluationOptions & { readonly seed: number },
): Promise<TaskEvaluation[]> {
  const all = tasks.flatMap(({ set }, task) =>
    Array.from(set.labels, (_, index) => ({ task, index })),
  );
  const order = permutation(randomStream(seed, 'mixed evaluation'), all.length);
  const tallies = tasks.map(({ set, head }) => new Tally(set, head));
  const breathe = breather();
  const batches = oneAhead(Math.ceil(all.length / batch), async (number) => {
    const places = order.subarray(number * batch, (number + 1) * batch);
    const groups = tasks.map((_, task) => ({
      indices: [] as number[],
      rows: [] as number[],
      task,
    }));
    places.forEach((place, row) => {
      const image = all[place];
      const group = groups[image?.task ?? 0];
      group?.indices.push(image?.index ?? 0);
      group?.rows.push(row);
    });
    const owners = Array.from(places, (place) => tasks[all[place]?.task ?? 0]?.expert);
    return { groups, owners, images: await readMixed(tasks, groups, places.length) };
  });
  let done = 0;
  for await (const { groups, owners, images } of batches) {
    await hold?.();
    throwIfCancelled(signal);
    const { features, routing } = await encoder.encode(images, owners);
    await breathe();
    for (const { task, indices, rows } of groups) {
      tallies[task]?.add(Uint32Array.from(indices), {
        features: pickRows(features, rows),
        routing: routing.map((lambdas) => pickRows(lambdas, rows)),
      });
      done += rows.length;
    }
    onImages?.(done);
  }
  return tallies.map(({ evaluation }) => evaluation);
}

interface Group {
  readonly task: number;
  readonly indices: readonly number[];
  /** Place of each image in the batch. */
  readonly rows: readonly number[];
}

async function readMixed(
  tasks: readonly { readonly set: LabelledSet }[],
  groups: readonly Group[],
  count: number,
): Promise<Tensor> {
  const size = tasks[0]?.set.images.store.size ?? 0;
  const length = 3 * size ** 2;
  const data = new Float32Array(count * length);
  for (const { task, indices, rows } of groups) {
    const set = tasks[task]?.set;
    if (set === undefined || indices.length === 0) continue;
    const own = new Float32Array(indices.length * length);
    await writeImages(set.images, indices, own);
    rows.forEach((row, i) => data.set(own.subarray(i * length, (i + 1) * length), row * length));
  }
  return { shape: [count, 3, size, size], data };
}

function pickRows({ shape, data }: Tensor, rows: readonly number[]): Tensor {
  const width = shape[1] ?? 0;
  const picked = new Float32Array(rows.length * width);
  rows.forEach((row, i) => picked.set(data.subarray(row * width, (row + 1) * width), i * width));
  return { shape: [rows.length, width], data: picked };
}
