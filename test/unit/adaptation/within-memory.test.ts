import { expect, it } from 'vitest';
import { initialState, type AdaptationOptions } from '../../../main/adaptation/adapt.ts';
import { createWemoe } from '../../../main/adaptation/wemoe.ts';
import { adaptWithinMemory, type SmallerCalls } from '../../../main/adaptation/within-memory.ts';
import type { Engine } from '../../../main/engine/engine.ts';
import { AppError } from '../../../main/lib/errors.ts';
import { randomStream } from '../../../main/lib/random.ts';
import { onnx } from '../../support/adaptation-step.ts';
import { expertSet, randomHead, tinyConfig } from '../../support/tiny-models.ts';

const size = tinyConfig.imageSize;
const tasks = ['a', 'b', 'c'].map((task) => {
  const random = randomStream('pixels', task);
  const pixels = Uint8Array.from({ length: 4 * size * size * 3 }, () => 256 * random());
  const normalisation = { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] } as const;
  return {
    images: { task, store: { size, count: 4, pixels }, normalisation },
    head: randomHead(task, 3, 16),
  };
});
const model = createWemoe(expertSet(3), { depth: 1, lambda: 0.3, seed: 1 });
const options: AdaptationOptions = {
  steps: 3,
  learningRate: 0.01,
  schedule: 'constant',
  batch: 2,
  reduction: 'batch-mean',
  diversity: 0,
  objective: 'entropy',
  seed: 1,
  tasksPerCall: 3,
};

/** An engine whose device has room for so many images in a call, from its second call on. */
function smallDevice(room: number): Engine {
  let calls = 0;
  return {
    ...onnx,
    compile: async (program, constants) => {
      const executable = await onnx.compile(program, constants);
      return {
        ...executable,
        run: async (inputs) => {
          if (calls++ > 0 && (inputs['images']?.shape[0] ?? 0) > room) {
            throw new AppError('engine.out_of_memory', { what: 'full', hint: 'less' });
          }
          return executable.run(inputs);
        },
      };
    },
  };
}

async function losses(
  engine: Engine,
  changes: Partial<AdaptationOptions> = {},
): Promise<{ losses: number[]; smaller: SmallerCalls[] }> {
  const smaller: SmallerCalls[] = [];
  const onSmaller = async (change: SmallerCalls) => void smaller.push(change);
  const found: number[] = [];
  const chosen = { ...options, ...changes, onSmaller };
  for await (const { loss } of adaptWithinMemory(
    engine,
    model,
    tasks,
    initialState(model),
    chosen,
  )) {
    found.push(loss);
  }
  return { losses: found, smaller };
}

it('halves the tasks in a call until they fit, and comes to the same losses', async () => {
  const expected = await losses(onnx);
  expect(expected.smaller).toEqual([]);
  const found = await losses(smallDevice(2));
  // The first step went through with three tasks in its call.
  expect(found.smaller).toEqual([
    { step: 2, from: 3, to: 2 },
    { step: 2, from: 2, to: 1 },
  ]);
  expect(found.losses).toHaveLength(3);
  found.losses.forEach((loss, i) => expect(loss).toBeCloseTo(expected.losses[i]!, 5));
});

it('gives up where one task alone does not fit, and where mixed images share weights', async () => {
  await expect(losses(smallDevice(1))).rejects.toMatchObject({ code: 'engine.out_of_memory' });
  await expect(losses(smallDevice(2), { mixed: true })).rejects.toMatchObject({
    code: 'engine.out_of_memory',
  });
});
