import { describe, expect, test } from 'vitest';
import { createOnnxEngine } from '../../../main/engine/onnx/engine.ts';
import { foldStatic } from '../../../main/exporting/fold.ts';
import { modelOutputs } from '../../../main/exporting/verify.ts';
import { staticModel } from '../../../main/models/merged-model.ts';
import { mlpTensors } from '../../../main/models/vit.ts';
import { exportSource, images, type Variant } from './fixture.ts';

const engine = createOnnxEngine({ threads: 1 });

async function features(
  { model, values }: Pick<Parameters<typeof modelOutputs>[1], 'model' | 'values'>,
  count: number,
): Promise<Float32Array> {
  const outputs = await modelOutputs(engine, { model, values }, [], images(count));
  return outputs.get('features')?.data ?? new Float32Array();
}

describe('foldStatic', () => {
  test.each<Variant>(['static', 'adamerging', 'wemoe0'])('is exact for %s', async (variant) => {
    const source = exportSource(variant);
    const folded = staticModel(await foldStatic(source.model, source.values));
    const wanted = await features(source, 4);
    const found = await features({ model: folded, values: new Map() }, 4);
    found.forEach((value, i) => expect(Math.abs(value - wanted[i]!)).toBeLessThan(5e-6));
  });

  test('coefficients outside [0, 1] are limited as in the model', async () => {
    const source = exportSource('adamerging');
    const raw = source.values.get('coefficients')!.data;
    expect(raw.some((value) => value < 0)).toBe(true);
    raw[0] = -5;
    raw[1] = 7;
    const { weights } = await foldStatic(source.model, source.values);
    const name = 'vision_model.embeddings.class_embedding';
    const origin = source.model.constants.get(name)!.data;
    const vectors = source.model.constants.get(`task_vectors/${name}`)!.data;
    const size = origin.length;
    const third = Math.min(1, Math.max(0, raw[2]!));
    weights.get(name)!.data.forEach((value, i) => {
      const wanted = origin[i]! + vectors[size + i]! + third * vectors[2 * size + i]!;
      expect(value).toBeCloseTo(wanted, 6);
    });
  });

  test('with mean routing every MLP is φ0 + Σ λ̄k Δk and nothing else changes', async () => {
    const { model, values } = exportSource('wemoe2');
    const mean = [
      [0.5, -0.25, 1],
      [0, 0, 2],
    ];
    const { weights } = await foldStatic(model, values, mean);
    const routed = new Map(mean.flatMap((row, layer) => mlpTensors(layer).map((n) => [n, row])));
    for (const [name, { data, shape }] of weights) {
      const origin = model.constants.get(name)!;
      expect(shape).toEqual(origin.shape);
      const row = routed.get(name);
      if (row === undefined) {
        expect(data).toEqual(origin.data);
        continue;
      }
      const vectors = model.constants.get(`task_vectors/${name}`)!.data;
      data.forEach((value, i) => {
        const change = row.reduce(
          (sum, lambda, k) => sum + lambda * vectors[k * data.length + i]!,
          0,
        );
        expect(value).toBe(Math.fround(origin.data[i]! + change));
      });
    }
  });

  test('is exact where every image has the routing that is folded in', async () => {
    const source = exportSource('wemoe1');
    for (const [name, { data }] of source.values) if (name.endsWith('weight')) data.fill(0);
    const mean = [0, 1].map((layer) => [...source.values.get(`routers.${layer}.fc2.bias`)!.data]);
    const folded = staticModel(await foldStatic(source.model, source.values, mean));
    const wanted = await features(source, 3);
    const found = await features({ model: folded, values: new Map() }, 3);
    found.forEach((value, i) => expect(Math.abs(value - wanted[i]!)).toBeLessThan(5e-6));
  });

  test('routers that look at the image need mean routing', async () => {
    const { model, values } = exportSource('wemoe1');
    await expect(foldStatic(model, values)).rejects.toMatchObject({
      code: 'export.routing_missing',
    });
    await expect(foldStatic(model, values, [[1, 2, 3]])).rejects.toMatchObject({
      code: 'export.routing_missing',
    });
    await expect(foldStatic(model, values, [[1], [1]])).rejects.toThrow(/coefficients/);
  });
});
