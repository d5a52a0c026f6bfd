/** E-WEMoE and rank-r WEMoE: where they are WEMoE, they are it to the last digits; how large they are. */
import { describe, expect, it, test } from 'vitest';
import { dictionaryOwner } from '../../../main/adaptation/dictionary.ts';
import { adaptiveMethods } from '../../../main/adaptation/methods.ts';
import { keepLargest, keptCount } from '../../../main/adaptation/prune.ts';
import {
  createRankWemoe,
  rankWemoeConstants,
  rankWemoeSizes,
  type RankWemoeShape,
  type RoutedLayers,
} from '../../../main/adaptation/rank-wemoe.ts';
import type { RouterDepth } from '../../../main/adaptation/router.ts';
import { createWemoe, wemoeConstants, wemoeSizes } from '../../../main/adaptation/wemoe.ts';
import { foldStatic } from '../../../main/exporting/fold.ts';
import { gradientName } from '../../../main/graph/gradient.ts';
import { resolveParameters } from '../../../main/lib/parameters.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { staticModel, type MergedModel } from '../../../main/models/merged-model.ts';
import { parseVisionConfig } from '../../../main/models/vision-config.ts';
import { encode, mergeExplicitly, moved, runStep } from '../../support/adaptation-step.ts';
import {
  expertSet,
  normalTensor,
  randomHead,
  randomImages,
  tinyConfig,
} from '../../support/tiny-models.ts';
import { expectClose, named } from '../../support/values.ts';

const lambda = 0.3;
const set = expertSet(3);
const images = randomImages(4);
const heads = [randomHead('a', 4, 16), randomHead('b', 5, 16)];

function shapeOf(rank: number, options: Partial<RankWemoeShape> = {}, depth: RouterDepth = 1) {
  const router = { depth, hiddenSize: 16, expertCount: 3, shared: false };
  return { rank, routed: 'mlp' as RoutedLayers, learned: false, router, ...options };
}

async function rankWemoe(shape: RankWemoeShape): Promise<MergedModel> {
  const constants = new Map<string, Tensor>();
  for await (const [name, tensor] of rankWemoeConstants(set, lambda, shape)) {
    constants.set(name, tensor);
  }
  return createRankWemoe(tinyConfig, shape, { lambda, seed: 1 }, constants);
}

describe('rank-r WEMoE of full rank', () => {
  it.each([
    ['per-sample', 0],
    ['per-sample', 1],
    ['per-sample', 2],
    ['batch-mean', 1],
    ['batch-mean', 2],
  ] as const)('is WEMoE, %s, depth %i: features, routing, gradients', async (reduction, depth) => {
    const dense = createWemoe(set, { depth, lambda, seed: 1 });
    const ranked = await rankWemoe(shapeOf(99, {}, depth));
    const values = moved(dense, 0.2);
    const wanted = await encode(dense, values, images, reduction);
    const found = await encode(ranked, values, images, reduction);
    expectClose(found.features, wanted.features, 1e-5);
    found.routing.forEach((lambdas, layer) => expectClose(lambdas, wanted.routing[layer]!, 1e-5));
    // Two groups of images in a call, each with weights of its own.
    const step = { heads, batch: 2, reduction, values };
    const [a, b] = [
      await runStep({ ...step, model: ranked }),
      await runStep({ ...step, model: dense }),
    ];
    for (const { name } of dense.trainables) {
      expectClose(named(a, gradientName(name)), named(b, gradientName(name)), 2e-5, name);
    }
  });

  it('holds the expert whose λ is 1 where the whole block is routed', async () => {
    const model = await rankWemoe(shapeOf(99, { routed: 'block' }, 0));
    const values = moved(model, 0);
    for (const { data } of values.values()) data.set([0, 1, 0]);
    const weights = new Map(
      [...set.base.keys()].map((name) => {
        const inBlock = /\.(self_attn|mlp)\./.test(name);
        const lambdas = inBlock ? [0, 1, 0] : [lambda, lambda, lambda];
        return [name, mergeExplicitly(set.base, set.experts, name, lambdas)] as const;
      }),
    );
    const wanted = await encode(staticModel({ config: tinyConfig, weights }), new Map(), images);
    expectClose((await encode(model, values, images)).features, wanted.features, 1e-5);
  });
});

describe('rank-r WEMoE of low rank', () => {
  it('keeps the leading singular values: the error is what the others hold', async () => {
    const name = 'vision_model.encoder.layers.0.mlp.fc1';
    const changes = (await rankWemoe(shapeOf(99))).constants;
    const low = (await rankWemoe(shapeOf(4))).constants;
    const product = (constants: ReadonlyMap<string, Tensor>, k: number) => {
      const [left, right] = [
        constants.get(`${name}.experts.left`)!,
        constants.get(`${name}.experts.right`)!,
      ];
      const columns = left.shape[1]!;
      const rank = columns / 3;
      return Float64Array.from({ length: 24 * 16 }, (_, i) => {
        let sum = 0;
        for (let j = k * rank; j < (k + 1) * rank; j++) {
          sum += left.data[Math.floor(i / 16) * columns + j]! * right.data[j * 16 + (i % 16)]!;
        }
        return sum;
      });
    };
    for (const k of [0, 1, 2]) {
      const [whole, part] = [product(changes, k), product(low, k)];
      const square = (values: Float64Array) => values.reduce((sum, x) => sum + x * x, 0);
      // Of nested subspaces the parts are orthogonal: ‖Δ‖² = ‖Δ_r‖² + ‖Δ − Δ_r‖² only for projections onto singular directions.
      const rest = square(whole.map((x, i) => x - part[i]!));
      expect(square(part) + rest).toBeCloseTo(square(whole), 4);
      expect(rest).toBeGreaterThan(0.01 * square(whole));
      expect(rest).toBeLessThan(0.6 * square(whole));
    }
  });

  it('computes the same whether its factors learn or not', async () => {
    const shape = shapeOf(3, { routed: 'block' });
    const frozen = await rankWemoe(shape);
    const learned = await rankWemoe({ ...shape, learned: true });
    const values = moved(frozen, 0.1);
    const factors = learned.trainables.filter(({ name }) => name.includes('.experts.'));
    expect(factors).toHaveLength(2 * 6 * 2);
    const all = new Map([
      ...values,
      ...factors.map(({ name, shape: s, initial }) => [name, { shape: s, data: initial }] as const),
    ]);
    const wanted = await encode(frozen, values, images);
    expect((await encode(learned, all, images)).features).toEqual(wanted.features);
    for (const { name } of factors) expect(learned.constants.has(name)).toBe(false);
  });

  it.each<RoutedLayers>(['mlp', 'block'])(
    'folds exactly where λ is constant, %s',
    async (routed) => {
      const model = await rankWemoe(shapeOf(3, { routed, learned: true }, 0));
      const values = moved(model, 0.1);
      const folded = staticModel(await foldStatic(model, values));
      const wanted = await encode(model, values, images);
      expectClose((await encode(folded, new Map(), images)).features, wanted.features, 1e-5);
    },
  );
});

describe('E-WEMoE', () => {
  it('is WEMoE with everything kept and a router for each block', async () => {
    const method = adaptiveMethods.find(({ id }) => id === 'e_wemoe')!;
    const parameters = resolveParameters(method, { density: 1, shared_router: false }, 'test');
    const constants = new Map<string, Tensor>();
    for await (const [name, tensor] of method.constants(set, parameters))
      constants.set(name, tensor);
    const found = method.create(set, parameters, 1, constants);
    const wanted = createWemoe(set, { depth: 2, lambda, seed: 1 });
    expect(found.constants).toEqual(wanted.constants);
    expect(found.trainables).toEqual(wanted.trainables);
    expect(found.form).toEqual(wanted.form);
  });

  it.each<RouterDepth>([0, 1, 2])(
    'shares one router of depth %i among all blocks',
    async (depth) => {
      const shared = createWemoe(set, { depth, lambda, seed: 1, shared: true });
      const own = createWemoe(set, { depth, lambda, seed: 1 });
      const values = moved(shared, 0.1);
      const copies = new Map(
        own.trainables.map(({ name }) => [name, values.get(name.replace(/\.\d+\./, '.shared.'))!]),
      );
      const wanted = await encode(own, copies, images);
      expect((await encode(shared, values, images)).features).toEqual(wanted.features);
      // Its gradient is the sum of what the blocks ask for.
      const step = { heads, batch: 2, reduction: 'per-sample' as const };
      const found = await runStep({ ...step, model: shared, values });
      const parts = await runStep({ ...step, model: own, values: copies });
      for (const { name } of shared.trainables) {
        const ofBlocks = [0, 1].map((l) =>
          named(parts, gradientName(name.replace('shared', String(l)))),
        );
        const data = ofBlocks[0]!.data.map((x, i) => x + ofBlocks[1]!.data[i]!);
        expectClose(
          named(found, gradientName(name)),
          { shape: ofBlocks[0]!.shape, data },
          1e-5,
          name,
        );
      }
    },
  );

  it.each([0, 0.1, 0.25, 0.5, 0.9, 1])('keeps the largest %f of every row', (share) => {
    const whole = normalTensor('prune', [3, 257], 1);
    const kept = keepLargest({ shape: whole.shape, data: whole.data.slice() }, share);
    for (let k = 0; k < 3; k++) {
      const row = whole.data.subarray(k * 257, (k + 1) * 257);
      const sorted = [...row].map(Math.abs).sort((a, b) => b - a);
      const least = sorted[keptCount(257, share) - 1] ?? Infinity;
      const wanted = row.map((x) => (Math.abs(x) >= least ? x : 0));
      expect(kept.data.subarray(k * 257, (k + 1) * 257)).toEqual(wanted);
    }
    expect(keptCount(257, share) / 257).toBeCloseTo(share, 2);
  });

  it('keeps none of equal values, of which none is above the others', () => {
    const data = Float32Array.of(2, -2, 2, -2, 0);
    expect([...keepLargest({ shape: [1, 5], data }, 0.4).data]).toEqual([0, 0, 0, 0, 0]);
  });

  it('prunes dictionaries only', () => {
    const [whole, pruned] = [
      new Map(wemoeConstants(set, lambda)),
      new Map(wemoeConstants(set, lambda, 0.1)),
    ];
    for (const [name, { data }] of pruned) {
      const count = data.filter((x) => x !== 0).length;
      if (dictionaryOwner(name) === undefined) expect(data).toEqual(whole.get(name)!.data);
      else expect(count).toBe(3 * keptCount(data.length / 3, 0.1));
    }
  });
});

describe('parameter counts', () => {
  const clip = parseVisionConfig({ model_type: 'clip' }, { where: '', projected: false });
  const router = (depth: RouterDepth, shared: boolean) => ({
    depth,
    shared,
    hiddenSize: 768,
    expertCount: 8,
  });

  test('of E-WEMoE are the published ones', () => {
    // 159.38 M: 113.45 M of the encoder (with the projection and the logit scale that the authors count), 0.60 M of
    // routers and a tenth of 453.35 M; ours has no 25.99 M of other towers.
    const { total, trainable } = wemoeSizes(clip, router(2, true), 0.1);
    expect(trainable).toBe(596_744);
    expect(wemoeSizes(clip, router(1, true), 0.1).trainable).toBe(6152);
    expect((total - 87_456_000 + 113_448_705 - trainable) / 1e6).toBeCloseTo(113.45 + 45.335, 1);
  });

  test('of rank 32 are those of RankOne-MoE but for the routers, which there have K·r outputs', () => {
    const shape: RankWemoeShape = {
      rank: 32,
      routed: 'mlp',
      learned: false,
      router: router(1, false),
    };
    const { factors, total, trainable } = rankWemoeSizes(clip, shape);
    // 113.8 M = encoder 87.46 + projection 0.39 + factors + routers 12 · (768 + 1) · 256.
    const theirs = 87_456_000 + 393_216 + factors + 12 * 769 * 256;
    expect(theirs / 1e6).toBeCloseTo(113.8, 1);
    expect(total - trainable - factors).toBe(87_456_000 + 8 * 12 * (3072 + 768));
  });

  test.each([
    ['MLPs', shapeOf(5)],
    ['blocks whose factors learn', shapeOf(5, { routed: 'block', learned: true })],
    [
      'full rank and one router',
      shapeOf(99, { router: { depth: 2, hiddenSize: 16, expertCount: 3, shared: true } }),
    ],
  ])('equal what a model holds: %s', async (_, shape) => {
    const model = await rankWemoe(shape);
    const trained = model.trainables.reduce((sum, { initial }) => sum + initial.length, 0);
    const constants = [...model.constants.values()].reduce((sum, t) => sum + t.data.length, 0);
    const sizes = rankWemoeSizes(tinyConfig, shape);
    expect(sizes).toMatchObject({ trainable: trained, total: trained + constants });
  });
});
