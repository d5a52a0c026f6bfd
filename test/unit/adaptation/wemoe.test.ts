import { describe, expect, it, test } from 'vitest';
import {
  dictionaryName,
  mergeTensor,
  stackTaskVectors,
} from '../../../main/adaptation/dictionary.ts';
import type { RouterDepth } from '../../../main/adaptation/router.ts';
import { createWemoe, wemoeSizes } from '../../../main/adaptation/wemoe.ts';
import { Builder } from '../../../main/graph/builder.ts';
import { elementCount, type Tensor } from '../../../main/lib/tensor.ts';
import { initialValues, staticModel } from '../../../main/models/merged-model.ts';
import { parseVisionConfig } from '../../../main/models/vision-config.ts';
import { layerPrefix, mlpTensors, visionTensors } from '../../../main/models/vit.ts';
import { encode, mergeExplicitly, moved, onnx } from '../../support/adaptation-step.ts';
import { expertSet, pickImages, randomImages, tinyConfig } from '../../support/tiny-models.ts';
import { expectClose, named } from '../../support/values.ts';

const lambda = 0.3;
const set = expertSet(3);
const images = randomImages(4);
const names = [...visionTensors(tinyConfig).keys()];
const routed = new Set([0, 1].flatMap((layer) => [...mlpTensors(layer)]));

/** The encoder with λ per layer for the MLPs, and λ0 for everything else. */
function merged(lambdas: readonly ArrayLike<number>[]) {
  const weights = new Map(
    names.map((name) => {
      const layer = lambdas.findIndex((_, l) => name.startsWith(`${layerPrefix(l)}.`));
      const own = routed.has(name) ? lambdas[layer]! : [lambda, lambda, lambda];
      return [name, mergeExplicitly(set.base, set.experts, name, own)] as const;
    }),
  );
  return staticModel({ config: tinyConfig, weights });
}

const row = ({ shape, data }: Tensor, i: number) =>
  data.subarray(i * shape[1]!, (i + 1) * shape[1]!);

describe.each<RouterDepth>([0, 1, 2])('with routers of depth %i', (depth) => {
  const model = createWemoe(set, { depth, lambda, seed: 1 });

  it.each(['per-sample', 'batch-mean'] as const)(
    'is task arithmetic while every λ is λ0, %s',
    async (reduction) => {
      const values = initialValues(model);
      for (const [name, { data }] of values) if (name.endsWith('.weight')) data.fill(0);
      const found = await encode(model, values, images, reduction);
      const arithmetic = merged([0, 1].map(() => [lambda, lambda, lambda]));
      const wanted = await encode(arithmetic, new Map(), images);
      expectClose(found.features, wanted.features, 1e-6);
      for (const { data } of found.routing) {
        for (const value of data) expect(value).toBe(Math.fround(lambda));
      }
    },
  );

  it('starts close to task arithmetic', async () => {
    const { routing } = await encode(model, initialValues(model), images);
    for (const value of routing.flatMap(({ data }) => [...data])) {
      expect(Math.abs(value - lambda)).toBeLessThan(0.1);
    }
  });

  it('gives every image the weights of its own λ', async () => {
    const values = moved(model, 0.2);
    const together = await encode(model, values, images);
    for (let i = 0; i < 4; i++) {
      const own = merged(together.routing.map((lambdas) => row(lambdas, i)));
      const image = pickImages(images, i, i + 1);
      const wanted = await encode(own, new Map(), image);
      const features = row(together.features, i);
      expectClose({ shape: [1, 16], data: features }, wanted.features, 2e-6);
      // And λ does not depend on what else is in the batch.
      const alone = await encode(model, values, image);
      alone.routing.forEach((lambdas, layer) => {
        const one = { shape: [1, 3], data: row(together.routing[layer]!, i) };
        expectClose(one, lambdas, 1e-5);
      });
    }
    const spread = new Set(together.routing[1]!.data).size;
    expect(spread).toBe(depth === 0 ? 3 : 12);
  });

  it('gives the images of a batch the weights of their mean λ', async () => {
    const values = moved(model, 0.2);
    const batch = await encode(model, values, images, 'batch-mean');
    const shared = merged(batch.routing.map((lambdas) => row(lambdas, 0)));
    expectClose(batch.features, (await encode(shared, new Map(), images)).features, 2e-6);
    // The first router sees the same input either way.
    const own = (await encode(model, values, images)).routing[0]!;
    const mean = Float32Array.from([0, 1, 2], (k) => {
      const column = [0, 1, 2, 3].map((i) => row(own, i)[k]!);
      return column.reduce((sum, x) => sum + x, 0) / 4;
    });
    expectClose(
      { shape: [1, 3], data: row(batch.routing[0]!, 0) },
      { shape: [1, 3], data: mean },
      1e-6,
    );
  });

  it('learns its routers only', () => {
    const prefix = /^routers\.[01]\.fc[12]\.(weight|bias)$/;
    for (const { name } of model.trainables) expect(name).toMatch(prefix);
    expect(model.trainables).toHaveLength(2 * [1, 2, 4][depth]!);
  });

  it('draws the same routers for the same seed only', () => {
    const again = createWemoe(set, { depth, lambda, seed: 1 });
    expect(initialValues(again)).toEqual(initialValues(model));
    const other = createWemoe(set, { depth, lambda, seed: 2 });
    if (depth > 0) expect(initialValues(other)).not.toEqual(initialValues(model));
  });
});

it('starts its router weights with a deviation of 0.01', () => {
  const wide = expertSet(3, { ...tinyConfig, hiddenSize: 64, layerCount: 1 });
  const { trainables } = createWemoe(wide, { depth: 2, lambda, seed: 0 });
  const { initial } = trainables.find(({ name }) => name === 'routers.0.fc1.weight')!;
  const mean = initial.reduce((sum, x) => sum + x, 0) / initial.length;
  const deviation = Math.sqrt(initial.reduce((sum, x) => sum + x * x, 0) / initial.length);
  expect(Math.abs(mean)).toBeLessThan(5e-4);
  expect(deviation).toBeGreaterThan(0.0095);
  expect(deviation).toBeLessThan(0.0105);
});

describe('merged weights', () => {
  const coefficients = { shape: [2, 3], data: Float32Array.of(0.3, 0.3, 0.3, -1.1, 0.7, 2) };

  it.each(names)('of %s', async (name) => {
    const shape = visionTensors(tinyConfig).get(name)!;
    const g = new Builder();
    const weight = mergeTensor(g, g.input('coefficients', [2, 3]), {
      origin: g.constant(name, shape),
      dictionary: g.constant(dictionaryName(name), [3, elementCount(shape)]),
      shape,
    });
    const constants = new Map([
      [name, set.base.get(name)!],
      [dictionaryName(name), stackTaskVectors(set, name)],
    ]);
    const executable = await onnx.compile(g.build('merge', { weight }), constants);
    const found = named(await executable.run({ coefficients }), 'weight');
    await executable.dispose();
    const wanted = [0, 1].map((r) =>
      mergeExplicitly(set.base, set.experts, name, row(coefficients, r)),
    );
    const data = Float32Array.from(wanted.flatMap((tensor) => [...tensor.data]));
    expectClose(found, { shape: [2, ...shape], data }, 1e-6);
  });

  it('leave the static part at θ0 + λ0 Σ τ, and the MLPs at θ0', () => {
    const { constants } = createWemoe(set, { depth: 1, lambda, seed: 0 });
    for (const name of names) {
      const wanted = routed.has(name)
        ? set.base.get(name)!
        : mergeExplicitly(set.base, set.experts, name, [lambda, lambda, lambda]);
      expectClose(constants.get(name)!, wanted, 1e-7, name);
      expect(constants.has(dictionaryName(name))).toBe(routed.has(name));
    }
  });
});

describe('sizes for CLIP ViT-B/32 and eight experts', () => {
  const config = parseVisionConfig({ model_type: 'clip' }, { where: '', projected: false });
  test.each<[RouterDepth, number, number]>([
    [0, 96, 540_809_568],
    [1, 73_824, 540_883_296],
    [2, 7_160_928, 547_970_400],
  ])('l = %i', (depth, trainable, total) => {
    const before = process.memoryUsage().arrayBuffers;
    const router = { depth, hiddenSize: 768, expertCount: 8, shared: false };
    expect(wemoeSizes(config, router)).toMatchObject({ trainable, total });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });

  test('equal what a model of any size holds', () => {
    const model = createWemoe(set, { depth: 2, lambda, seed: 0 });
    const trained = model.trainables.reduce((sum, { initial }) => sum + initial.length, 0);
    const constants = [...model.constants.values()].reduce((sum, t) => sum + t.data.length, 0);
    const router = { depth: 2, hiddenSize: 16, expertCount: 3, shared: false } as const;
    expect(wemoeSizes(tinyConfig, router)).toMatchObject({
      trainable: trained,
      total: trained + constants,
    });
  });
});
