/** A seeded choice of a task's images, batch by batch. */
import { imageBatch, shuffledBatch } from '../../data/images.ts';
import { throwIfCancelled } from '../../lib/errors.ts';
import { oneAhead } from '../../lib/one-ahead.ts';
import type { Tensor } from '../../lib/tensor.ts';
import type { StatisticsContext, StatisticsTask } from './method.ts';

/** How many images `chosenImages` gives of a task that is asked for `wanted`. */
export function availableImages({ images }: StatisticsTask, wanted: number): number {
  return Math.min(wanted, images.store.count);
}

/** Each image once, at most `wanted`, in batches of at most `batch`; the last may be smaller. */
export async function* chosenImages(
  task: StatisticsTask,
  wanted: number,
  batch: number,
  { seed, signal }: Pick<StatisticsContext, 'seed' | 'signal'>,
): AsyncGenerator<Tensor, void, undefined> {
  const count = availableImages(task, wanted);
  const key = [seed, 'statistics', task.images.task];
  const order = shuffledBatch(key, task.images.store.count, count, 0);
  const batches = oneAhead(Math.ceil(count / batch), (number) =>
    imageBatch(task.images, order.subarray(number * batch, (number + 1) * batch)),
  );
  for await (const images of batches) {
    throwIfCancelled(signal);
    yield images;
  }
}
