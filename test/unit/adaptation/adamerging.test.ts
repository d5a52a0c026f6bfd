import { describe, expect, it } from 'vitest';
import { createAdaMerging } from '../../../main/adaptation/adamerging.ts';
import { gradientName } from '../../../main/graph/gradient.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { initialValues, staticModel } from '../../../main/models/merged-model.ts';
import { visionTensors } from '../../../main/models/vit.ts';
import { encode, mergeExplicitly, runStep } from '../../support/adaptation-step.ts';
import {
  expertSet,
  normalTensor,
  randomHead,
  randomImages,
  tinyConfig,
} from '../../support/tiny-models.ts';
import { expectClose, named } from '../../support/values.ts';

const set = expertSet(3);
const images = randomImages(3);
const names = [...visionTensors(tinyConfig).keys()];
const within = (x: number) => Math.min(Math.max(x, 0), 1);

/** Features of the encoder with row `r` of `coefficients` for the r-th tensor (or its one row for all). */
async function explicit({ shape, data }: Tensor): Promise<Tensor> {
  const weights = new Map(
    names.map((name, index) => {
      const r = shape[0] === 1 ? 0 : index;
      const row = data.subarray(3 * r, 3 * r + 3);
      return [name, mergeExplicitly(set.base, set.experts, name, row)] as const;
    }),
  );
  return (await encode(staticModel({ config: tinyConfig, weights }), new Map(), images)).features;
}

describe.each(['task', 'layer'] as const)('%s-wise', (granularity) => {
  const rows = granularity === 'task' ? 1 : names.length;
  const coefficients = normalTensor(`coefficients ${granularity}`, [rows, 3], 0.7);
  const values = new Map([['coefficients', coefficients]]);

  it('has one coefficient per expert, and per tensor if layer-wise', () => {
    const model = createAdaMerging(set, { granularity, lambda: 0.3, clamp: true });
    const initial = new Float32Array(rows * 3).fill(0.3);
    expect(model.trainables).toEqual([{ name: 'coefficients', shape: [rows, 3], initial }]);
  });

  it('starts as task arithmetic', async () => {
    const model = createAdaMerging(set, { granularity, lambda: 0.3, clamp: true });
    const start = initialValues(model);
    const found = await encode(model, start, images);
    expectClose(found.features, await explicit(start.get('coefficients')!), 2e-6);
    expect(found.routing).toEqual([]);
  });

  it('equals a merge with its coefficients', async () => {
    const model = createAdaMerging(set, { granularity, lambda: 0.3, clamp: false });
    const { features } = await encode(model, values, images);
    expectClose(features, await explicit(coefficients), 2e-6);
  });

  it('clamps them to [0, 1] if asked', async () => {
    const model = createAdaMerging(set, { granularity, lambda: 0.3, clamp: true });
    const { features } = await encode(model, values, images);
    const clamped = { shape: coefficients.shape, data: coefficients.data.map(within) };
    expectClose(features, await explicit(clamped), 2e-6);
  });
});

it('a clamped coefficient learns within [0, 1], both ends included, and not outside', async () => {
  const model = createAdaMerging(set, { granularity: 'task', lambda: 0.3, clamp: true });
  const heads = [randomHead('a', 5, 16)];
  const slopes = async (...data: number[]) => {
    const values = new Map([['coefficients', { shape: [1, 3], data: Float32Array.from(data) }]]);
    const step = { model, heads, batch: 3, reduction: 'per-sample', values, images } as const;
    return [...named(await runStep(step), gradientName('coefficients')).data];
  };
  const inside = await slopes(0, 0.5, 1);
  for (const slope of inside) expect(Math.abs(slope)).toBeGreaterThan(1e-4);
  const outside = await slopes(-0.01, 0.5, 1.01);
  expect([outside[0], outside[2]]).toEqual([0, 0]);
  expect(outside[1]).not.toBe(0);
});
