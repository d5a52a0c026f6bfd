/** Representation Surgery: where it starts, whom its modules touch, and that they bring features to the experts'. */
import { describe, expect, it } from 'vitest';
import {
  adapt,
  initialState,
  type AdaptationOptions,
  type AdaptationTask,
} from '../../../main/adaptation/adapt.ts';
import { adaptiveMethods } from '../../../main/adaptation/methods.ts';
import { adaptationStep } from '../../../main/adaptation/objective.ts';
import { joinModules, splitModules } from '../../../main/adaptation/surgery.ts';
import { encodedImages, expertFeatures } from '../../../main/adaptation/targets.ts';
import { compileEncoder, encoderProgram } from '../../../main/evaluation/evaluate.ts';
import { resolveParameters } from '../../../main/lib/parameters.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { randomStream } from '../../../main/lib/random.ts';
import { staticModel, type MergedModel } from '../../../main/models/merged-model.ts';
import { encode, moved, onnx } from '../../support/adaptation-step.ts';
import {
  expertSet,
  nearby,
  randomHead,
  randomImages,
  tinyConfig,
} from '../../support/tiny-models.ts';
import { expectClose } from '../../support/values.ts';

const experts = expertSet(3);
const merged = nearby(experts.base, 'merged', 0.1);
const set = { ...experts, merged };
const surgery = adaptiveMethods.find(({ id }) => id === 'surgery')!;
const rank = 4;
const images = randomImages(5);

function surgeryModel(): MergedModel {
  const parameters = resolveParameters(surgery, { rank }, 'test');
  const constants = new Map<string, Tensor>();
  const given = surgery.constants(set, parameters) as Iterable<readonly [string, Tensor]>;
  for (const [name, tensor] of given) constants.set(name, tensor);
  return surgery.create(set, parameters, 1, constants);
}

async function features(
  values: ReadonlyMap<string, Tensor>,
  owners?: readonly (number | undefined)[],
): Promise<Tensor> {
  const options = { batch: 5, reduction: 'per-sample' } as const;
  const encoder = await compileEncoder(onnx, surgeryModel(), values, options);
  const found = await encoder.encode(images, owners);
  await encoder.dispose();
  return found.features;
}

const plain = async () =>
  (await encode(staticModel({ config: tinyConfig, weights: merged }), new Map(), images)).features;

describe('modules', () => {
  it('start as nothing: the features are those of the merge', async () => {
    const values = moved(surgeryModel(), 0);
    expectClose(await features(values, [0, 1, 2, 0, 1]), await plain(), 1e-6);
    // Yet Down is drawn, so that Up can learn.
    expect(splitModules(values, 3).every(({ down }) => down.data.some((x) => x !== 0))).toBe(true);
  });

  it('touch the images of their own task alone, whatever stands beside them', async () => {
    const values = moved(surgeryModel(), 0.3);
    const without = await plain();
    const owners = [2, undefined, 0, 1, 2];
    const found = await features(values, owners);
    const modules = splitModules(values, 3);
    owners.forEach((owner, i) => {
      const f = without.data.subarray(i * 16, i * 16 + 16);
      const wanted = Float32Array.from(f);
      if (owner !== undefined) {
        const { down, up } = modules[owner]!;
        for (let r = 0; r < rank; r++) {
          const hidden = f.reduce((sum, x, j) => sum + x * down.data[r * 16 + j]!, 0);
          wanted.forEach((_, j) => (wanted[j]! -= up.data[j * rank + r]! * Math.max(0, hidden)));
        }
      }
      const row = { shape: [16], data: found.data.slice(i * 16, i * 16 + 16) };
      expectClose(row, { shape: [16], data: wanted }, 1e-5);
    });
    expectClose(await features(values), without, 1e-6);
  });

  it('are taken apart and joined without loss', () => {
    const values = moved(surgeryModel(), 0.3);
    expect(joinModules(splitModules(values, 3))).toEqual(values);
  });

  it('leave no derivative through the encoder in a step', () => {
    const model = surgeryModel();
    const shape = { tasks: 3, batch: 2, classes: 4, reduction: 'per-sample' } as const;
    const step = adaptationStep(model, { ...shape, objective: 'representation' });
    const products = (program: { equations: readonly { op: string }[] }) =>
      program.equations.filter(({ op }) => op === 'matmul').length;
    const forward = products(encoderProgram(model, { batch: 6, reduction: 'per-sample' }));
    // The logits, and backward through Up (to it and to what it reads) and to Down.
    expect(products(step)).toBe(forward + 1 + 3);
  });
});

describe('learning', () => {
  const heads = [3, 4, 2].map((classes, k) => randomHead(`t${k}`, classes, 16));
  const count = 8;
  const sets = heads.map(({ task }) => ({
    task,
    store: {
      size: tinyConfig.imageSize,
      count,
      pixels: Uint8Array.from(
        { length: count * tinyConfig.imageSize ** 2 * 3 },
        (
          (random) => () =>
            256 * random()
        )(randomStream('surgery pixels', task)),
      ),
    },
    normalisation: { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] } as const,
  }));
  const options: AdaptationOptions = {
    steps: 60,
    learningRate: 0.01,
    schedule: 'constant',
    batch: 4,
    reduction: 'per-sample',
    objective: 'representation',
    diversity: 0,
    seed: 2,
    tasksPerCall: 3,
  };

  async function learn(changes: Partial<AdaptationOptions>, once = false) {
    const model = surgeryModel();
    const tasks: AdaptationTask[] = await Promise.all(
      sets.map(async (own, k) => {
        const expert = { config: tinyConfig, weights: set.experts[k]! };
        const targets = await expertFeatures(onnx, expert, own, { batch: 5 });
        const encoded = once ? await encodedImages(onnx, model, own, { batch: 5 }) : undefined;
        return { images: own, head: heads[k]!, targets, encoded };
      }),
    );
    const state = initialState(model);
    const losses: number[] = [];
    for await (const { loss } of adapt(onnx, model, tasks, state, { ...options, ...changes })) {
      losses.push(loss);
    }
    return { values: state.values, losses };
  }

  it('brings features nearer to those of the experts', async () => {
    const { losses } = await learn({});
    const mean = (part: number[]) => part.reduce((sum, x) => sum + x, 0) / part.length;
    expect(mean(losses.slice(-4))).toBeLessThan(0.6 * mean(losses.slice(0, 4)));
  });

  it.each([
    [{ mixed: true }, false],
    [{ tasksPerCall: 2 }, false],
    [{}, true],
    [{ mixed: true, tasksPerCall: 1 }, true],
  ])(
    'is the same however images are put together (%o), encoded once: %s',
    async (changes, once) => {
      const wanted = await learn({ steps: 3 });
      const found = await learn({ steps: 3, ...changes }, once);
      found.losses.forEach((loss, i) => expect(loss).toBeCloseTo(wanted.losses[i]!, 4));
      for (const [name, tensor] of wanted.values) {
        expectClose(found.values.get(name)!, tensor, 1e-3, name);
      }
    },
  );
});
