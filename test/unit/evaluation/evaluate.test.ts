import { describe, expect, it } from 'vitest';
import { createWemoe } from '../../../main/adaptation/wemoe.ts';
import type { LabelledSet } from '../../../main/data/labelled.ts';
import {
  compileEncoder,
  evaluateTask,
  perClassAccuracy,
  type Encoder,
} from '../../../main/evaluation/evaluate.ts';
import { evaluateMixed } from '../../../main/evaluation/evaluate-mixed.ts';
import { argmax } from '../../../main/evaluation/tally.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { initialValues, staticModel } from '../../../main/models/merged-model.ts';
import { onnx } from '../../support/adaptation-step.ts';
import { expertSet, pickImages, randomImages, tinyConfig } from '../../support/tiny-models.ts';
import { expectClose } from '../../support/values.ts';

/** Images of one pixel; its red value is what the encoder below points to. */
const reds = [0, 1, 2, 0, 1, 2, 0];
const set: LabelledSet = {
  images: {
    task: 'colours',
    store: { size: 1, count: 7, pixels: Uint8Array.from(reds.flatMap((red) => [red, 0, 0])) },
    normalisation: { mean: [0, 0, 0], deviation: [1 / 255, 1, 1] },
  },
  labels: Int32Array.of(0, 1, 1, 0, 2, 2, 1),
  groups: undefined,
  classNames: ['zero', 'one', 'two', 'three'],
  title: 'Colours',
  split: 'test',
  synthetic: true,
};
const eye = [1, 0, 0, 0, 1, 0, 0, 0, 1, -1, -1, -1];
const head = { task: 'colours', weight: { shape: [4, 3], data: Float32Array.from(eye) } };

/** Features are the unit vector of the red value; λ of layer l is (red + 10 l, −red). */
function fakeEncoder(layers: number): Encoder & { readonly batches: number[] } {
  const batches: number[] = [];
  return {
    layers,
    batches,
    encode: async ({ shape, data }) => {
      const count = shape[0]!;
      batches.push(count);
      const red = Array.from({ length: count }, (_, i) => Math.round(data[i * 3]!));
      const features = red.flatMap((r) => [0, 1, 2].map((c) => Number(c === r)));
      return {
        features: { shape: [count, 3], data: Float32Array.from(features) },
        routing: Array.from({ length: layers }, (_, l) => ({
          shape: [count, 2],
          data: Float32Array.from(red.flatMap((r) => [r + 10 * l, -r])),
        })),
      };
    },
    dispose: async () => undefined,
  };
}

describe('evaluating a task', () => {
  it.each([1, 2, 3, 7, 100])('counts by hand, in batches of %i', async (batch) => {
    const encoder = fakeEncoder(2);
    const progress: number[] = [];
    const found = await evaluateTask(encoder, set, head, {
      batch,
      onImages: (done) => progress.push(done),
    });
    expect(found).toMatchObject({ task: 'colours', images: 7, correct: 4, accuracy: 4 / 7 });
    expect([...found.predictions]).toEqual(reds);
    expect(found.confusion).toEqual([
      [2, 0, 0, 0],
      [1, 1, 1, 0],
      [0, 1, 1, 0],
      [0, 0, 0, 0],
    ]);
    expect(perClassAccuracy(found.confusion)).toEqual([1, 1 / 3, 1 / 2, null]);
    expect(found.routing?.shape).toEqual([7, 2, 2]);
    const lambdas = reds.flatMap((r) => [r, -r, r + 10, -r]);
    expect([...found.routing!.data]).toEqual(lambdas);
    expect(encoder.batches.reduce((a, b) => a + b)).toBe(7);
    expect(Math.max(...encoder.batches)).toBe(Math.min(batch, 7));
    expect(progress.at(-1)).toBe(7);
  });

  it('has no routing for a model without routers', async () => {
    const found = await evaluateTask(fakeEncoder(0), set, head, { batch: 4 });
    expect(found.routing).toBeUndefined();
  });

  it('can be cancelled', async () => {
    const encoder = fakeEncoder(0);
    const controller = new AbortController();
    const work = evaluateTask(encoder, set, head, {
      batch: 2,
      signal: controller.signal,
      onImages: () => controller.abort(),
    });
    await expect(work).rejects.toBeInstanceOf(CancelledError);
    expect(encoder.batches).toEqual([2]);
  });

  it('predicts the first of equals', () => {
    expect(argmax([1, 3, 3, 2])).toBe(1);
    expect(argmax([-Infinity, -5])).toBe(1);
    expect(argmax([0])).toBe(0);
  });
});

describe('an encoder', () => {
  const images = randomImages(5);
  const model = createWemoe(expertSet(2), { depth: 2, lambda: 0.3, seed: 1 });

  it('takes batches of any size, per sample', async () => {
    const options = { batch: 3, reduction: 'per-sample' } as const;
    const encoder = await compileEncoder(onnx, model, initialValues(model), options);
    const whole = await encoder.encode(images);
    expect(encoder.layers).toBe(2);
    for (let i = 0; i < 5; i++) {
      const { features, routing } = await encoder.encode(pickImages(images, i, i + 1));
      expectClose(features, pickImages(whole.features, i, i + 1), 1e-5);
      routing.forEach((lambdas, layer) => {
        expectClose(lambdas, pickImages(whole.routing[layer]!, i, i + 1), 1e-5);
      });
    }
    await encoder.dispose();
  });

  it('gives one row of λ per image also where the images share it', async () => {
    const options = { batch: 3, reduction: 'batch-mean' } as const;
    const encoder = await compileEncoder(onnx, model, initialValues(model), options);
    for (const count of [1, 3, 5]) {
      const { features, routing } = await encoder.encode(pickImages(images, 0, count));
      expect(features.shape).toEqual([count, tinyConfig.hiddenSize]);
      for (const { shape, data } of routing) {
        expect(shape).toEqual([count, 2]);
        data.forEach((x, i) => expect(x).toBe(data[i % 2]));
      }
    }
    await encoder.dispose();
  });

  it('of a static model has no routing', async () => {
    const { config, base } = expertSet(1);
    const options = { batch: 5, reduction: 'per-sample' } as const;
    const still = staticModel({ config, weights: base });
    const encoder = await compileEncoder(onnx, still, new Map(), options);
    expect(encoder.layers).toBe(0);
    expect((await encoder.encode(images)).routing).toEqual([]);
    await encoder.dispose();
  });
});

describe('evaluating in batches of mixed tasks', () => {
  const others: LabelledSet = {
    ...set,
    images: { ...set.images, task: 'others' },
    labels: Int32Array.of(0, 1, 2, 3, 2, 1, 0),
  };
  const otherHead = { ...head, task: 'others' };
  const tasks = [
    { set, head },
    { set: others, head: otherHead },
  ];

  it.each([1, 3, 100])('gives each image the head of its task, in batches of %i', async (batch) => {
    const encoder = fakeEncoder(2);
    const done: number[] = [];
    const onImages = (count: number) => done.push(count);
    const found = await evaluateMixed(encoder, tasks, { batch, seed: 1, onImages });
    // Every image has its own λ here, so company changes nothing.
    const alone = [
      await evaluateTask(encoder, set, head, { batch: 7 }),
      await evaluateTask(encoder, others, otherHead, { batch: 7 }),
    ];
    expect(found).toEqual(alone);
    expect(done.at(-1)).toBe(14);
    expect(encoder.batches[0]).toBe(Math.min(batch, 14));
  });

  it('mixes: images of both tasks share a batch', async () => {
    const model = createWemoe(expertSet(2), { depth: 2, lambda: 0.3, seed: 1 });
    const size = tinyConfig.imageSize;
    const bright = (task: string, value: number): LabelledSet => ({
      ...set,
      labels: new Int32Array(4),
      images: {
        task,
        store: { size, count: 4, pixels: new Uint8Array(4 * size * size * 3).fill(value) },
        normalisation: { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] },
      },
    });
    const weight = { shape: [4, 16], data: new Float32Array(64).fill(0.1) };
    const both = ['dark', 'light'].map((task, i) => ({
      set: bright(task, 250 * i),
      head: { task, weight },
    }));
    const values = new Map(
      [...initialValues(model)].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map((x) => 20 * x) },
      ]),
    );
    const options = { batch: 8, reduction: 'batch-mean' } as const;
    const encoder = await compileEncoder(onnx, model, values, options);
    const lambdaOf = (routing: Tensor | undefined) => routing!.data.slice(0, 2);
    const mixed = await evaluateMixed(encoder, both, { batch: 8, seed: 0 });
    const dark = await evaluateTask(encoder, both[0]!.set, both[0]!.head, { batch: 8 });
    const light = await evaluateTask(encoder, both[1]!.set, both[1]!.head, { batch: 8 });
    await encoder.dispose();
    const [apart, other] = [lambdaOf(dark.routing), lambdaOf(light.routing)];
    expect(apart).not.toEqual(other);
    // λ is averaged over four dark and four light images.
    const mean = apart.map((x, k) => (x + other[k]!) / 2);
    for (const { routing } of mixed) {
      lambdaOf(routing).forEach((x, k) => expect(x).toBeCloseTo(mean[k]!, 4));
    }
  });
});
