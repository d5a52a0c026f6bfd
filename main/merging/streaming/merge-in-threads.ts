/** Carries out a plan in threads and hands over the values as fp32, where they lie in files as they are. */
import { tmpdir } from 'node:os';
import { elementCount, type Tensor } from '../../lib/tensor.ts';
import { CancelledError, throwIfCancelled } from '../../lib/errors.ts';
import type { MergedTensorPlan, MergePlan } from '../plan.ts';
import { budgetOf } from './budget.ts';
import { groupRequest, mergedTensors, runPasses, totalsOf } from './passes.ts';
import { piecesOf, type Range } from './pieces.ts';
import { Sources } from './sources.ts';
import { ThreadPool } from './thread-pool.ts';

export interface ThreadedMerge {
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** After each range of each pass, that of merging and those left out included. */
  readonly onRange?: ((tensor: MergedTensorPlan, range: Range) => void) | undefined;
}

/** Whether threads can read all of a plan by themselves; compares checksums where a format has them. */
export async function liesInFiles(plan: MergePlan): Promise<boolean> {
  for (const { base, experts } of mergedTensors(plan)) {
    for (const { checkpoint: index, tensor } of base === undefined ? experts : [base, ...experts]) {
      const checkpoint = plan.checkpoints[index];
      await checkpoint?.verify(tensor);
      if (checkpoint?.locate(tensor) === undefined) return false;
    }
  }
  return true;
}

/** How many threads would work on a plan. */
export function usefulThreads(plan: MergePlan, threads: number): number {
  return budgetOf(plan, { threads, ceilingBytes: Infinity }).threads;
}

/**
 * The merged tensors, in the order of the plan; for `liesInFiles` alone. There is no memory ceiling: the
 * result is in memory as a whole. Throws `merge.non_finite`, `merge.worker_failed`, `checkpoint.*`, and
 * CancelledError.
 */
export async function mergeInThreads(
  plan: MergePlan,
  { threads, signal, onRange }: ThreadedMerge,
): Promise<Map<string, Tensor>> {
  throwIfCancelled(signal);
  const budget = budgetOf(plan, { threads, ceilingBytes: Infinity });
  const pool = new ThreadPool(budget.threads, {
    method: plan.method.id,
    settings: plan.settings,
    seed: plan.seed,
    totals: totalsOf(plan),
    tileValues: budget.tileValues,
    productThreads: budget.productThreads,
  });
  const abort = () => void pool.stop();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    // Nothing is computed there, as everything lies in files.
    const sources = new Sources(plan.checkpoints, tmpdir(), signal);
    const done = (tensor: MergedTensorPlan, range: Range) => onRange?.(tensor, range);
    await runPasses(plan, pool, sources, done, done);
    const merged = new Map(
      mergedTensors(plan).map(({ name, shape }) => [
        name,
        { shape, data: new Float32Array(elementCount(shape)) },
      ]),
    );
    await pool.each(rangesOf(plan), async ({ tensor, range, uses }, run) => {
      const values = await sources.with(tensor, uses, (located) =>
        run('mergeToMemory', groupRequest(tensor, located, range)),
      );
      merged.get(tensor.name)?.data.set(values, range.begin);
      onRange?.(tensor, range);
    });
    return merged;
  } catch (error) {
    throw signal?.aborted === true ? new CancelledError() : error;
  } finally {
    signal?.removeEventListener('abort', abort);
    await pool.stop();
  }
}

function* rangesOf(
  plan: MergePlan,
): Generator<{ tensor: MergedTensorPlan; range: Range; uses: number }> {
  for (const tensor of mergedTensors(plan)) {
    const ranges = piecesOf(plan.method.unit, tensor.shape);
    for (const range of ranges) yield { tensor, range, uses: ranges.length };
  }
}
