/** Steps whose images are mixed, and a diversity weight by task, against steps of single tasks. */
import { describe, expect, it } from 'vitest';
import {
  adapt,
  initialState,
  type AdaptationOptions,
  type AdaptationTask,
  type StepReport,
} from '../../../main/adaptation/adapt.ts';
import { createWemoe } from '../../../main/adaptation/wemoe.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { randomStream } from '../../../main/lib/random.ts';
import type { MergedModel } from '../../../main/models/merged-model.ts';
import { onnx } from '../../support/adaptation-step.ts';
import { expertSet, randomHead, tinyConfig } from '../../support/tiny-models.ts';

const classCounts = { a: 3, b: 6, c: 4 } as const;
const tasks: AdaptationTask[] = Object.entries(classCounts).map(([task, classes], t) => {
  const random = randomStream('mixed pixels', task);
  const size = tinyConfig.imageSize;
  const count = 8;
  const pixels = Uint8Array.from({ length: count * size * size * 3 }, () => 80 * t + 90 * random());
  return {
    images: {
      task,
      store: { size, count, pixels },
      normalisation: { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] },
    },
    head: randomHead(task, classes, 16, 3),
    targets: Float32Array.from({ length: count * classes }, (_, i) =>
      i % classes === 0 ? 0.7 : 0.3 / (classes - 1),
    ),
  };
});
const options: AdaptationOptions = {
  steps: 3,
  learningRate: 0.02,
  schedule: 'constant',
  batch: 4,
  reduction: 'per-sample',
  objective: 'entropy',
  diversity: 0,
  seed: 5,
  tasksPerCall: 3,
};
const wemoe = () => createWemoe(expertSet(3), { depth: 2, lambda: 0.3, seed: 1 });

async function run(
  changes: Partial<AdaptationOptions>,
  {
    model = wemoe(),
    diversity = [] as [number, number][],
  }: { model?: MergedModel; diversity?: [number, number][] } = {},
): Promise<{ values: Map<string, Tensor>; reports: StepReport[] }> {
  const state = initialState(model);
  for (const [task, beta] of diversity) state.diversity.set(task, beta);
  const reports: StepReport[] = [];
  for await (const report of adapt(onnx, model, tasks, state, { ...options, ...changes })) {
    reports.push(report);
  }
  return { values: state.values, reports };
}

type Outcome = Awaited<ReturnType<typeof run>>;

/** Equal but for the order of sums. */
function expectSame(found: Outcome, wanted: Outcome): void {
  const flat = ({ reports }: Outcome) =>
    reports.flatMap(({ loss, entropy, marginal, routing }) => [
      loss,
      ...entropy,
      ...marginal.flatMap((mean) => [...mean]),
      ...routing.flat(2),
    ]);
  const [a, b] = [flat(found), flat(wanted)];
  expect(a.length).toBe(b.length);
  a.forEach((x, i) => expect(x).toBeCloseTo(b[i]!, 4));
  for (const [name, { data }] of wanted.values) {
    data.forEach((x, i) => expect(found.values.get(name)!.data[i]).toBeCloseTo(x, 3));
  }
}

describe('mixed tasks', () => {
  it.each([
    ['entropy', {}],
    ['a diversity term', { diversity: 0.7 }],
    ['distillation', { objective: 'distillation' }],
  ] as const)(
    'change nothing where every image has its own weights: %s',
    async (_name, changes) => {
      expectSame(await run({ ...changes, mixed: true }), await run(changes));
    },
  );

  it('change nothing when memory asks for several calls', async () => {
    for (const tasksPerCall of [1, 2]) {
      expectSame(await run({ mixed: true, tasksPerCall }), await run({}));
    }
  });

  it('share weights under batch-mean: every task is routed more like the others', async () => {
    const spread = ({ reports }: Outcome) => {
      const [first] = reports[0]!.routing;
      const [a, b, c] = first!.map((row) => row[0]!);
      return Math.max(a!, b!, c!) - Math.min(a!, b!, c!);
    };
    const apart = await run({ reduction: 'batch-mean' });
    const mixed = await run({ reduction: 'batch-mean', mixed: true });
    expect(spread(mixed)).toBeLessThan(0.7 * spread(apart));
    expect(mixed.reports[0]!.loss).not.toBeCloseTo(apart.reports[0]!.loss, 5);
  });
});

describe('the mean prediction', () => {
  it('is a distribution over the classes of each task', async () => {
    for (const mixed of [false, true]) {
      const { reports } = await run({ mixed, steps: 1, tasksPerCall: 2 });
      const { marginal } = reports[0]!;
      expect(marginal.map((mean) => mean.length)).toEqual(Object.values(classCounts));
      for (const mean of marginal) {
        expect(mean.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
      }
    }
  });
});

describe('a diversity weight by task', () => {
  const entropyOf = (mean: Float32Array) =>
    mean.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0);

  it.each([false, true])(
    'takes β times the entropy of that task off the loss; mixed: %s',
    async (mixed) => {
      const plain = (await run({ mixed, steps: 1 })).reports[0]!;
      const guarded = (await run({ mixed, steps: 1 }, { diversity: [[1, 2]] })).reports[0]!;
      expect(guarded.loss).toBeCloseTo(plain.loss - 2 * entropyOf(plain.marginal[1]!), 4);
      expect(guarded.entropy[1]).toBeCloseTo(plain.entropy[1]!, 5);
    },
  );

  it('of all tasks is the common one', async () => {
    const beta = 0.7;
    const all: [number, number][] = [0, 1, 2].map((task) => [task, beta]);
    for (const tasksPerCall of [2, 3]) {
      const wanted = await run({ diversity: beta, tasksPerCall });
      expectSame(await run({ tasksPerCall }, { diversity: all }), wanted);
    }
  });
});
