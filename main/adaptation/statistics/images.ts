/** A seeded choice of a task's images, batch by batch. */
import { imageBatch, shuffledBatch } from '../../data/images.ts';
import { throwIfCancelled } from '../../lib/errors.ts';
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
  for (let start = 0; start < count; start += batch) {
    throwIfCancelled(signal);
    yield imageBatch(task.images, order.subarray(start, start + batch));
    await Promise.resolve();
  }
}
