import { describe, expect, test } from 'vitest';
import { CancelledError } from '../../../main/lib/errors.ts';
import { mergeToMemory, type MergeProgress } from '../../../main/merging/executor.ts';
import { methods } from '../../../main/merging/index.ts';
import { readCount } from '../../../main/merging/merge-groups.ts';
import { resolveSettings } from '../../../main/merging/settings.ts';
import { taskArithmetic } from '../../../main/merging/methods/task-arithmetic.ts';
import { pcb } from '../../../main/merging/methods/pcb.ts';
import { ties } from '../../../main/merging/methods/ties.ts';
import { parameterCount, visionTensors } from '../../../main/models/vit.ts';
import { memoryCheckpoint, randomWeights, tinyConfig, type MemoryTensor } from './in-memory.ts';

const shapes = visionTensors(tinyConfig);
const baseWeights = randomWeights('base');
const expertWeights = ['one', 'two', 'three'].map((key) => randomWeights(key, baseWeights));

const extras: [string, MemoryTensor][] = [
  ['text_model.weight', { shape: [2], data: Float32Array.of(0.5, 0.25), dtype: 'F16' }],
  [
    'vision_model.embeddings.position_ids',
    { shape: [2], data: Float32Array.of(0, 1), dtype: 'I64' },
  ],
  ['logit_scale', { shape: [], data: Float32Array.of(4.6) }],
];

/** Fresh checkpoints; the base has other tensors before and after those of the encoder. */
function inputs(experts = expertWeights) {
  const base = new Map([...extras.slice(0, 1), ...baseWeights, ...extras.slice(1)]);
  return {
    seed: 1,
    base: memoryCheckpoint('/base', base),
    experts: experts.map((weights, k) => memoryCheckpoint(`/expert-${String(k)}`, weights)),
  };
}

/** Shares every tensor of a model, with one value of one tensor replaced. */
function poisoned(weights: ReadonlyMap<string, MemoryTensor>, name: string, value: number) {
  const tensor = weights.get(name)!;
  const data = tensor.data.slice();
  data[1] = value;
  return new Map([...weights, [name, { ...tensor, data }]]);
}

const fc1 = 'vision_model.encoder.layers.0.mlp.fc1.weight';

test('the encoder in the order of its architecture, and nothing else of the base', async () => {
  const merged = await mergeToMemory({ method: taskArithmetic, ...inputs() });
  expect([...merged].map(([name, { shape }]) => [name, shape])).toEqual([...shapes]);
});

describe.each(methods.map((method) => [method.id, method] as const))('%s', (_, method) => {
  const own = expertWeights.slice(0, method.inputs.experts.max);

  test('two runs give the same bits', async () => {
    const bytes = async () => {
      const merged = await mergeToMemory({ method, ...inputs(own) });
      return Buffer.concat([...merged.values()].map(({ data }) => new Uint8Array(data.buffer)));
    };
    expect((await bytes()).equals(await bytes())).toBe(true);
  });

  test('every tensor is read once in each pass', async () => {
    const { base, experts } = inputs(own);
    await mergeToMemory({ method, seed: 1, base, experts });
    const use = { method, seed: 1, ...resolveSettings(method, {}, own.length, 'test') };
    const needed = (method.passes?.(use.parameters, use.settings) ?? []).filter(
      ({ needless }) => needless === undefined,
    );
    const names = [...shapes.keys()];
    const passes = base.reads.length / names.length;
    expect(passes).toBeLessThanOrEqual(readCount(use));
    expect(passes).toBeGreaterThan(needed.length);
    const expected = Array.from({ length: passes }, () => names).flat();
    for (const model of [base, ...experts]) expect(model.reads).toEqual(expected);
  });
});

test('TIES at full density reads the models twice', async () => {
  const { base, experts } = inputs();
  await mergeToMemory({ method: ties, parameters: { density: 1 }, seed: 1, base, experts });
  expect(base.reads).toHaveLength(2 * shapes.size);
});

test.each([
  [taskArithmetic, 1],
  [ties, 4],
  // Also passes that turn out to be needless.
  [pcb, 5],
])('progress counts tensors and bytes up to the total: $id', async (method, passes) => {
  const steps: MergeProgress[] = [];
  await mergeToMemory({ method, ...inputs(), onProgress: (progress) => steps.push(progress) });
  const total = passes * shapes.size;
  const totalBytes = passes * 4 * 4 * parameterCount(tinyConfig);
  expect(steps).toHaveLength(total);
  expect(steps.map(({ index }) => index)).toEqual(steps.map((_, i) => i + 1));
  expect(steps.every((step) => step.total === total && step.totalBytes === totalBytes)).toBe(true);
  expect(steps.at(-1)).toMatchObject({ index: total, bytes: totalBytes });
});

test('parameters are checked before anything is read', async () => {
  const { base, experts } = inputs();
  const merge = mergeToMemory({
    method: taskArithmetic,
    parameters: { lamda: 1 },
    seed: 1,
    base,
    experts,
  });
  await expect(merge).rejects.toMatchObject({
    code: 'recipe.unknown_parameter',
    where: 'method "task_arithmetic"',
  });
  expect(base.reads).toEqual([]);
});

describe('cancelling', () => {
  test.each([
    ['while merging', taskArithmetic, 5],
    ['while preparing', ties, shapes.size + 3],
  ])('%s', async (_, method, after) => {
    const controller = new AbortController();
    const { base, experts } = inputs();
    const onProgress = ({ index }: MergeProgress) => {
      if (index === after) controller.abort();
    };
    const merge = mergeToMemory({
      method,
      seed: 1,
      base,
      experts,
      onProgress,
      signal: controller.signal,
    });
    await expect(merge).rejects.toBeInstanceOf(CancelledError);
    expect(base.reads).toHaveLength(after);
  });
});

describe('values that are not finite', () => {
  test.each([
    ['NaN', Number.NaN, taskArithmetic],
    ['infinity', -Infinity, ties],
  ])(
    '%s in an expert is refused with its place, before the first pass ends',
    async (_, value, method) => {
      const experts = [...expertWeights.slice(0, 1), poisoned(baseWeights, fc1, value)];
      const { base, ...rest } = inputs(experts);
      await expect(mergeToMemory({ method, base, ...rest })).rejects.toMatchObject({
        code: 'merge.non_finite',
        what: '1 of 32 values are NaN or infinite, the first at index 1',
        where: `tensor "${fc1}" of /expert-1`,
      });
      expect(base.reads.length).toBeLessThan(shapes.size);
    },
  );

  test('a result that overflows fp32 is refused', async () => {
    const experts = [poisoned(baseWeights, fc1, 3e38), poisoned(baseWeights, fc1, 3e38)];
    const merge = mergeToMemory({
      method: taskArithmetic,
      parameters: { lambda: 1 },
      ...inputs(experts),
    });
    await expect(merge).rejects.toMatchObject({
      code: 'merge.non_finite',
      where: `tensor "${fc1}"`,
    });
  });
});
