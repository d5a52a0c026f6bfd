import { beforeAll, expect, it } from 'vitest';
import type { StoredCheckpoint } from '../../../../main/checkpoints/checkpoint.ts';
import { CancelledError } from '../../../../main/lib/errors.ts';
import { elementCount } from '../../../../main/lib/tensor.ts';
import type { MergePlan } from '../../../../main/merging/plan.ts';
import {
  liesInFiles,
  mergeInThreads,
  usefulThreads,
} from '../../../../main/merging/streaming/merge-in-threads.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { mergedInMemory, methodNamed, oddShapes, planOf, storeModels } from './plans.ts';

let models: StoredCheckpoint[];

beforeAll(async () => {
  models = await storeModels(await temporaryFolder(), oddShapes, ['BF16', 'F32', 'F16']);
});

/** With tensors that lie in no file as they are. */
function computed({ checkpoints, ...plan }: MergePlan): MergePlan {
  const own = checkpoints.map((checkpoint) =>
    Object.assign(Object.create(checkpoint) as StoredCheckpoint, { locate: () => undefined }),
  );
  return { ...plan, checkpoints: own };
}

it.each(['linear', 'ties', 'model_stock'])(
  '%s gives the values of the driver in one thread, and tells of every range',
  async (id) => {
    const plan = planOf(models, methodNamed(id), {}, 'F32');
    expect(await liesInFiles(plan)).toBe(true);
    const seen = new Map<string, number>();
    const merged = await mergeInThreads(plan, {
      threads: 2,
      onRange({ name }, { begin, end }) {
        seen.set(name, (seen.get(name) ?? 0) + end - begin);
      },
    });
    const values = new Map([...merged].map(([name, { data }]) => [name, data]));
    expect(values).toEqual(await mergedInMemory(plan));
    const { parameters, settings } = plan.settings;
    const reads = 1 + (plan.method.passes?.(parameters, settings).length ?? 0);
    for (const [name, { shape }] of merged) {
      expect(seen.get(name) ?? 0).toBe(reads * elementCount(shape));
    }
  },
);

it('models that are computed stay where they are', async () => {
  const plan = planOf(models, methodNamed('linear'), {}, 'F32');
  expect(usefulThreads(plan, 3)).toBe(3);
  expect(await liesInFiles(computed(plan))).toBe(false);
});

it('is cancelled', async () => {
  const controller = new AbortController();
  const merge = mergeInThreads(planOf(models, methodNamed('ties')), {
    threads: 2,
    signal: controller.signal,
    onRange: () => controller.abort(),
  });
  await expect(merge).rejects.toBeInstanceOf(CancelledError);
});
