import { describe, expect, expectTypeOf, it, test } from 'vitest';
import {
  adapt,
  initialState,
  type AdaptationOptions,
  type AdaptationState,
  type AdaptationTask,
  type StepReport,
} from '../../../main/adaptation/adapt.ts';
import { createAdaMerging } from '../../../main/adaptation/adamerging.ts';
import { expertPredictions } from '../../../main/adaptation/targets.ts';
import { createWemoe } from '../../../main/adaptation/wemoe.ts';
import type { ImageSet } from '../../../main/data/images.ts';
import type { LabelledSet } from '../../../main/data/labelled.ts';
import type { Engine } from '../../../main/engine/engine.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import { randomStream } from '../../../main/lib/random.ts';
import type { Head } from '../../../main/models/head.ts';
import type { MergedModel } from '../../../main/models/merged-model.ts';
import type { TaskInput } from '../../../main/runs/inputs.ts';
import { onnx } from '../../support/adaptation-step.ts';
import { expertSet, randomHead, tinyConfig } from '../../support/tiny-models.ts';
import { expectClose } from '../../support/values.ts';

function images(task: string, count: number): ImageSet {
  const random = randomStream('pixels', task);
  const size = tinyConfig.imageSize;
  const pixels = Uint8Array.from({ length: count * size * size * 3 }, () => 256 * random());
  const normalisation = { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] } as const;
  return { task, store: { size, count, pixels }, normalisation };
}

const tasks: AdaptationTask[] = [
  { images: images('a', 5), head: randomHead('a', 3, 16) },
  { images: images('b', 7), head: randomHead('b', 6, 16) },
  { images: images('c', 4), head: randomHead('c', 4, 16) },
];
const set = expertSet(3);
const options: AdaptationOptions = {
  steps: 4,
  learningRate: 0.01,
  schedule: 'constant',
  batch: 3,
  reduction: 'per-sample',
  diversity: 0,
  objective: 'entropy',
  seed: 1,
  tasksPerCall: 3,
};

interface Adapted {
  readonly state: AdaptationState;
  readonly reports: readonly StepReport[];
}

async function run(
  model: MergedModel,
  changes: Partial<AdaptationOptions> = {},
  state = initialState(model),
): Promise<Adapted> {
  const reports: StepReport[] = [];
  for await (const report of adapt(onnx, model, tasks, state, { ...options, ...changes })) {
    reports.push(report);
  }
  return { state, reports };
}

describe.each(['per-sample', 'batch-mean'] as const)('%s', (reduction) => {
  const model = createWemoe(set, { depth: 2, lambda: 0.3, seed: 1 });

  test.each([1, 2])('%i tasks in a call give the step of all at once', async (tasksPerCall) => {
    const together = await run(model, { steps: 1, reduction });
    const apart = await run(model, { steps: 1, reduction, tasksPerCall });
    expect(apart.reports).toHaveLength(1);
    const [one, other] = [together.reports[0]!, apart.reports[0]!];
    expect(other.loss).toBeCloseTo(one.loss, 5);
    one.entropy.forEach((entropy, i) => expect(other.entropy[i]).toBeCloseTo(entropy, 5));
    one.routing.flat(2).forEach((x, i) => expect(other.routing.flat(2)[i]).toBeCloseTo(x, 5));
    for (const [name, first] of together.state.adam.first) {
      // The first moment is a tenth of the gradient.
      const wanted = { shape: [first.length], data: first };
      const data = apart.state.adam.first.get(name)!;
      expectClose({ shape: [data.length], data }, wanted, 1e-5, name);
    }
  });

  it('reports λ by layer, task and expert', async () => {
    const { reports } = await run(model, { reduction });
    for (const { routing, entropy } of reports) {
      expect(routing.map((rows) => rows.map((row) => row.length))).toEqual([
        [3, 3, 3],
        [3, 3, 3],
      ]);
      expect(entropy).toHaveLength(3);
    }
  });
});

describe('distillation', () => {
  const model = createWemoe(set, { depth: 1, lambda: 0.3, seed: 1 });
  const own = set.experts.map((weights) => ({ config: set.config, weights }));

  async function distilled(changes: Partial<AdaptationOptions>): Promise<readonly StepReport[]> {
    const taught: AdaptationTask[] = [];
    for (const [k, task] of tasks.entries()) {
      const targets = await expertPredictions(onnx, own[k]!, task, { batch: 2 });
      taught.push({ ...task, targets });
    }
    const reports: StepReport[] = [];
    const all = { ...options, objective: 'distillation', ...changes } as const;
    for await (const report of adapt(onnx, model, taught, initialState(model), all)) {
      reports.push(report);
    }
    return reports;
  }

  it('comes closer to the experts step by step', async () => {
    // Every image of the larger sets in each batch, so that steps can be compared.
    const losses = (await distilled({ steps: 30, batch: 140 })).map(({ loss }) => loss);
    expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!);
    expect(Math.min(...losses)).toBeGreaterThan(0);
  });

  it('gives the same step whether tasks share a call', async () => {
    const [together] = await distilled({ steps: 1 });
    const [apart] = await distilled({ steps: 1, tasksPerCall: 1 });
    expect(apart!.loss).toBeCloseTo(together!.loss, 5);
  });

  it('predictions of an expert are probabilities', async () => {
    const targets = await expertPredictions(onnx, own[0]!, tasks[0]!, { batch: 2 });
    expect(targets).toHaveLength(5 * 3);
    for (let i = 0; i < 5; i++) {
      const row = targets.subarray(3 * i, 3 * i + 3);
      expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    }
  });

  it('is refused without targets', async () => {
    const steps = adapt(onnx, model, tasks, initialState(model), {
      ...options,
      objective: 'distillation',
    });
    await expect(steps.next()).rejects.toThrow('nothing is known of the images of task a');
  });
});

it('goes on from any step as if it had not stopped', async () => {
  const model = createWemoe(set, { depth: 1, lambda: 0.3, seed: 1 });
  const whole = await run(model, { schedule: 'cosine' });
  const state = initialState(model);
  const stopped: StepReport[] = [];
  for (let rest = 4; rest > 0; rest--) {
    for await (const report of adapt(onnx, model, tasks, state, {
      ...options,
      schedule: 'cosine',
    })) {
      stopped.push(report);
      break;
    }
  }
  expect(stopped).toEqual(whole.reports);
  expect(state).toEqual(whole.state);
});

it('does not touch the model, and depends on its seed', async () => {
  const model = createWemoe(set, { depth: 0, lambda: 0.3, seed: 1 });
  const first = await run(model);
  expect((await run(model)).reports).toEqual(first.reports);
  expect((await run(model, { seed: 2 })).reports).not.toEqual(first.reports);
  expect(initialState(model).values).not.toEqual(first.state.values);
});

it('follows its schedule', async () => {
  const model = createWemoe(set, { depth: 0, lambda: 0.3, seed: 1 });
  const rates = async (schedule: AdaptationOptions['schedule']) =>
    (await run(model, { schedule, learningRate: 1 })).reports.map((r) => r.learningRate);
  expect(await rates('constant')).toEqual([1, 1, 1, 1]);
  // ½ (1 + cos(π t / 4)): 1, 0.854, 0.5, 0.146.
  const cosine = [1, (2 + Math.SQRT2) / 4, 0.5, (2 - Math.SQRT2) / 4];
  (await rates('cosine')).forEach((rate, i) => expect(rate).toBeCloseTo(cosine[i]!, 12));
});

test.each([
  ['WEMoE', createWemoe(set, { depth: 2, lambda: 0.3, seed: 1 })],
  ['AdaMerging', createAdaMerging(set, { granularity: 'layer', lambda: 0.3, clamp: true })],
])('the entropy falls: %s', async (_name, model) => {
  const { reports } = await run(model, { steps: 30, batch: 4 });
  const mean = (part: readonly StepReport[]) =>
    part.reduce((sum, { loss }) => sum + loss / part.length, 0);
  expect(mean(reports.slice(-5))).toBeLessThan(0.8 * mean(reports.slice(0, 5)));
});

it('without steps changes nothing', async () => {
  const model = createWemoe(set, { depth: 1, lambda: 0.3, seed: 1 });
  const { state, reports } = await run(model, { steps: 0 });
  expect(reports).toEqual([]);
  expect(state).toEqual(initialState(model));
});

describe('cancelled', () => {
  const model = createWemoe(set, { depth: 0, lambda: 0.3, seed: 1 });

  it('stops between steps, with a whole state', async () => {
    const controller = new AbortController();
    const state = initialState(model);
    const steps = adapt(onnx, model, tasks, state, options, controller.signal);
    await steps.next();
    await steps.next();
    controller.abort();
    await expect(steps.next()).rejects.toBeInstanceOf(CancelledError);
    expect(state.step).toBe(2);
    expect(state).toEqual((await run(model, { steps: 2 })).state);
  });

  it.each(['cancelled', 'abandoned', 'failing'] as const)(
    '%s, it frees its sessions',
    async (how) => {
      let open = 0;
      const counting: Engine = {
        ...onnx,
        compile: async (program, constants) => {
          const executable = await onnx.compile(program, constants);
          open++;
          return {
            run: (inputs) =>
              how === 'failing'
                ? Promise.reject(new Error('out of order'))
                : executable.run(inputs),
            dispose: async () => {
              open--;
              await executable.dispose();
            },
          };
        },
      };
      const controller = new AbortController();
      const state = initialState(model);
      const work = async () => {
        const uneven = { ...options, tasksPerCall: 2 };
        for await (const _ of adapt(counting, model, tasks, state, uneven, controller.signal)) {
          // Two tasks and one: two programs.
          expect(open).toBe(2);
          if (how === 'abandoned') return;
          controller.abort();
        }
      };
      if (how === 'abandoned') await work();
      else await expect(work()).rejects.toThrow();
      expect(open).toBe(0);
    },
  );
});

// Checked by the compiler: adaptation cannot be handed labels.
describe('labels', () => {
  interface Part {
    readonly head: Head;
  }

  type Labelled<Labels> = Omit<ImageSet, 'labels'> & { readonly labels: Labels };

  it('do not fit into a task', () => {
    expectTypeOf<AdaptationTask>().toExtend<{ images: ImageSet; head: Head }>();
    expectTypeOf<{ images: ImageSet } & Part>().toExtend<AdaptationTask>();
    // A labelled set has its images under `images`, so with a head added it would look like a task.
    expectTypeOf<LabelledSet & Part>().not.toExtend<AdaptationTask>();
    expectTypeOf<TaskInput>().not.toExtend<AdaptationTask>();
    expectTypeOf<{ images: LabelledSet } & Part>().not.toExtend<AdaptationTask>();
    expectTypeOf<{ images: Labelled<Int32Array> } & Part>().not.toExtend<AdaptationTask>();
  });

  it('do not fit into images', () => {
    expectTypeOf<LabelledSet>().not.toExtend<ImageSet>();
    expectTypeOf<Labelled<Int32Array>>().not.toExtend<ImageSet>();
    expectTypeOf<Labelled<number[]>>().not.toExtend<ImageSet>();
  });
});
