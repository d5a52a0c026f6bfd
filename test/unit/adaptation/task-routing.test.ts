/** Twin-Merging and SMILE: with everything kept and the right expert chosen they are that expert. */
import { describe, expect, it, test } from 'vitest';
import { adaptiveMethods } from '../../../main/adaptation/methods.ts';
import { adapt, initialState, type AdaptationTask } from '../../../main/adaptation/adapt.ts';
import { foldStatic } from '../../../main/exporting/fold.ts';
import { resolveParameters } from '../../../main/lib/parameters.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { staticModel, type MergedModel } from '../../../main/models/merged-model.ts';
import { parseVisionConfig } from '../../../main/models/vision-config.ts';
import { smileSizes } from '../../../main/adaptation/smile.ts';
import { encode, moved, onnx } from '../../support/adaptation-step.ts';
import { expertSet, randomHead, randomImages, tinyConfig } from '../../support/tiny-models.ts';
import { expectClose } from '../../support/values.ts';

const projected = { ...tinyConfig, projectionSize: 12 };
const sets = { plain: expertSet(3), projected: expertSet(3, projected) };
const images = randomImages(4);

async function modelOf(
  id: string,
  given: Record<string, unknown>,
  set = sets.plain,
): Promise<MergedModel> {
  const method = adaptiveMethods.find((each) => each.id === id)!;
  const parameters = resolveParameters(method, given, 'test');
  const constants = new Map<string, Tensor>();
  for await (const [name, tensor] of method.constants(set, parameters)) constants.set(name, tensor);
  return method.create(set, parameters, 1, constants);
}

describe('Twin-Merging', () => {
  it.each(['plain', 'projected'] as const)(
    'of full rank is the expert that its router is sure of, %s',
    async (which) => {
      const set = sets[which];
      const model = await modelOf('twin_merging', { density: 1 }, set);
      for (const chosen of [0, 1, 2]) {
        const values = moved(model, 0);
        values.get('routers.0.fc2.bias')!.data[chosen] = 80;
        const found = await encode(model, values, images);
        const expert = staticModel({ config: set.config, weights: set.experts[chosen]! });
        expectClose(found.features, (await encode(expert, new Map(), images)).features, 2e-5);
        const sure = [0, 1, 2].map((k) => (k === chosen ? 1 : 0));
        for (let i = 0; i < 4; i++) {
          sure.forEach((share, k) => {
            expect(found.routing[0]!.data[3 * i + k]).toBeCloseTo(share, 6);
          });
        }
      }
    },
  );

  it('gives every image the weights of its own choice, whatever stands beside it', async () => {
    const model = await modelOf('twin_merging', { density: 0.3 });
    const values = moved(model, 0.5);
    const { features, routing } = await encode(model, values, images);
    expect(new Set(routing[0]!.data).size).toBe(12);
    for (let i = 0; i < 4; i++) {
      const row = [...routing[0]!.data.subarray(3 * i, 3 * i + 3)];
      expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
      // The fold of this row is the ordinary model that the image saw.
      const folded = staticModel(await foldStatic(model, values, [row]));
      const wanted = await encode(folded, new Map(), images);
      const own = ({ data }: Tensor) => ({ shape: [16], data: data.subarray(16 * i, 16 * i + 16) });
      expectClose(own(features), own(wanted.features), 2e-5);
    }
  });

  it('learns to tell tasks apart, and reports the cross-entropy of its shares as the loss', async () => {
    const model = await modelOf('twin_merging', { router_layers: 1 });
    const heads = [0, 1, 2].map((k) => randomHead(`t${k}`, 3, 16));
    const pixels = (k: number) => Uint8Array.from({ length: 6 * 192 }, (_, i) => 80 * k + (i % 30));
    const tasks = heads.map((head, k): AdaptationTask => ({
      head,
      images: {
        task: head.task,
        store: { count: 6, size: 8, pixels: pixels(k) },
        normalisation: { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] },
      },
    }));
    const losses: number[] = [];
    const options = {
      steps: 40,
      learningRate: 0.05,
      schedule: 'constant' as const,
      batch: 2,
      reduction: 'per-sample' as const,
      objective: 'task' as const,
      diversity: 0,
      seed: 0,
      tasksPerCall: 2,
    };
    let first: readonly (readonly number[])[] = [];
    for await (const { loss, routing } of adapt(onnx, model, tasks, initialState(model), options)) {
      if (losses.length === 0) first = routing[0]!;
      losses.push(loss);
    }
    // Images of a task are alike here, so the mean of −log is −log of the mean to a few digits.
    const expected = first.reduce((sum, row, task) => sum - Math.log(row[task]!), 0);
    expect(losses[0]).toBeCloseTo(expected, 3);
    expect(losses[0]).toBeCloseTo(3 * Math.log(3), 0);
    expect(losses.at(-1)).toBeLessThan(1);
  });
});

describe('SMILE', () => {
  it('is the expert where there is but one, whatever the gate', async () => {
    const one = { ...sets.plain, experts: sets.plain.experts.slice(0, 1) };
    const model = await modelOf('smile', { rank: 99, gate: 2, rest: 'average' }, one);
    const expert = staticModel({ config: one.config, weights: one.experts[0]! });
    const found = await encode(model, new Map(), images);
    expectClose(found.features, (await encode(expert, new Map(), images)).features, 2e-5);
    for (const { data } of found.routing) expect([...data]).toEqual([1, 1, 1, 1]);
  });

  it('gives each token to one expert, and the shares of a block add up to 1', async () => {
    const model = await modelOf('smile', { rank: 4, gate: 2 });
    const { routing } = await encode(model, new Map(), images);
    // Six layers of five tokens: shares are multiples of 1/30.
    for (const { shape, data } of routing) {
      expect(shape).toEqual([4, 3]);
      for (let i = 0; i < 4; i++) {
        const row = [...data.subarray(3 * i, 3 * i + 3)];
        expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
        for (const share of row) expect(30 * share).toBeCloseTo(Math.round(30 * share), 4);
      }
    }
    expect(new Set(routing[0]!.data).size).toBeGreaterThan(3);
  });

  it('with all experts of each token is a softmax of gates, whose sum the gates of equals share', async () => {
    const twice = { ...sets.plain, experts: [sets.plain.experts[0]!, sets.plain.experts[0]!] };
    const both = await modelOf('smile', { rank: 99, gate: 16, top: 2, rest: 'average' }, twice);
    const first = await modelOf('smile', { rank: 99, gate: 16, top: 1, rest: 'average' }, twice);
    const expert = staticModel({ config: tinyConfig, weights: twice.experts[0]! });
    const wanted = await encode(expert, new Map(), images);
    const [all, one] = [
      await encode(both, new Map(), images),
      await encode(first, new Map(), images),
    ];
    expectClose(all.features, wanted.features, 2e-5);
    // Of equal gates the first is larger.
    expectClose(one.features, wanted.features, 2e-5);
    for (const { data } of all.routing) for (const share of data) expect(share).toBeCloseTo(0.5, 5);
    for (const { data } of one.routing) expect([...data]).toEqual([1, 0, 1, 0, 1, 0, 1, 0]);
  });
});

describe('sizes', () => {
  test.each([
    ['twin_merging', { density: 0.3 }],
    ['twin_merging', { density: 1, router_layers: 1 }],
    ['smile', { rank: 3 }],
    ['e_wemoe', { density: 1 }],
    ['rank_wemoe', { rank: 3 }],
  ])('%s holds what is counted %o', async (id, given) => {
    for (const set of [sets.plain, sets.projected]) {
      const model = await modelOf(id, given, set);
      const method = adaptiveMethods.find((each) => each.id === id)!;
      const { trainable, total } = method.sizes(
        set.config,
        3,
        resolveParameters(method, given, ''),
      );
      const count = (tensors: Iterable<Float32Array>) =>
        [...tensors].reduce((sum, { length }) => sum + length, 0);
      expect(trainable).toBe(count(model.trainables.map(({ initial }) => initial)));
      expect(total - trainable).toBe(count([...model.constants.values()].map(({ data }) => data)));
    }
  });

  test('SMILE of CLIP ViT-B/32 has the published sizes less the second copies of its gates', () => {
    const clip = parseVisionConfig({ model_type: 'clip' }, { where: '', projected: false });
    // Its routers keep 8·q·(5·768 + 3072) values in every block of their own.
    const published = (rank: number, gate: number) => {
      const { total } = smileSizes(clip, { rank, gate, top: 1, expertCount: 8 });
      return (total + 12 * 8 * gate * (5 * 768 + 3072)) / 1e6;
    };
    expect(published(32, 16)).toBeCloseTo(141.2, 1);
    expect(published(128, 64)).toBeCloseTo(300.5, 1);
  });
});
