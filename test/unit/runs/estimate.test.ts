import { describe, expect, it } from 'vitest';
import {
  encoderValues,
  estimateDisk,
  estimateMemory,
  estimateSeconds,
  forwardOperations,
  trainableCount,
} from '../../../main/runs/estimate.ts';
import type { VisionConfig } from '../../../main/models/vision-config.ts';
import type { RecipeMethod } from '../../../main/runs/recipe.ts';
import { tinyConfig } from '../../support/tiny-models.ts';

// hidden 16, MLP 24, 2 layers, images of 8 pixels in patches of 4: 4 patches and the class token.
const shapes = { config: tinyConfig, images: [10, 6] };
const recipe = { adaptation: { batch: 4, data: 'test' as const }, evaluation: { batch: 5 } };
const entry = (method: string, parameters: RecipeMethod['parameters'] = {}): RecipeMethod => ({
  id: method,
  method,
  parameters,
});
const wemoe = (router_layers: number, reduction = 'per-sample') =>
  entry('wemoe', {
    router_layers,
    steps: 10,
    adaptation_reduction: reduction,
    evaluation_reduction: reduction,
  });

describe('work', () => {
  it('counts two operations for every multiplication', () => {
    const products = 4 * 16 * 16 + 2 * 16 * 24; // q, k, v, output; both layers of the MLP
    const layer = 2 * 5 * products + 4 * 5 * 5 * 16; // and the two products of attention
    const patches = 2 * 4 * (3 * 4 * 4) * 16;
    expect(forwardOperations(tinyConfig)).toBe(2 * layer + patches);
  });

  it('counts the values of MLPs', () => {
    expect(encoderValues(tinyConfig).mlps).toBe(2 * (2 * 16 * 24 + 16 + 24));
    expect(encoderValues(tinyConfig).whole).toBeGreaterThan(encoderValues(tinyConfig).mlps);
  });
});

describe('trainables', () => {
  it.each([
    ['routers of depth 0', wemoe(0), 2 * 2],
    ['routers of depth 1', wemoe(1), 2 * (16 * 2 + 2)],
    ['routers of depth 2', wemoe(2), 2 * (16 * 16 + 16 + 16 * 2 + 2)],
    ['coefficients by task', entry('adamerging', { granularity: 'task' }), 2],
    ['one router of depth 1', entry('e_wemoe', { router_layers: 1 }), 16 * 2 + 2],
    ['the router of Twin-Merging', entry('twin_merging', { router_layers: 1 }), 16 * 2 + 2],
    ['a method without any', entry('smile'), 0],
    [
      'routers and factors of rank 3',
      entry('rank_wemoe', { rank: 3, learn_factors: true }),
      2 * (16 * 2 + 2) + 2 * 2 * (2 * 3 * (16 + 24)),
    ],
    ['modules of rank 3', entry('surgery', { rank: 3 }), 2 * 2 * 3 * 16],
    ['a static merge', entry('ties'), 0],
    ['a reference', entry('individual'), 0],
  ])('of %s', (_, method, count) => {
    expect(trainableCount(method, shapes)).toBe(count);
  });
});

describe('seconds', () => {
  it('of a reference are those of all images, once', () => {
    expect(estimateSeconds(entry('individual'), recipe, shapes, 0.5)).toEqual({
      prepare: 0,
      adapt: 0,
      evaluate: 8,
    });
  });

  it('of routers: three passes of batch and weight sets for each task and step', () => {
    const { mlps } = encoderValues(tinyConfig);
    const set = (4 * 2 * 2 * mlps) / forwardOperations(tinyConfig);
    const each = estimateSeconds(wemoe(1), recipe, shapes, 0.5);
    expect(each.adapt).toBeCloseTo(10 * 2 * 3 * (4 + 4 * set) * 0.5, 9);
    // 2 and 2 calls of at most 5 images; a weight set for every image of a full call.
    expect(each.evaluate).toBeCloseTo((16 + 4 * 5 * set) * 0.5, 9);
    const shared = estimateSeconds(wemoe(1, 'batch-mean'), recipe, shapes, 0.5);
    expect(shared.adapt).toBeCloseTo(10 * 2 * 3 * (4 + set) * 0.5, 9);
    expect(shared.evaluate).toBeCloseTo((16 + 4 * set) * 0.5, 9);
    expect(estimateSeconds(wemoe(0), recipe, shapes, 0.5)).toEqual(
      estimateSeconds(wemoe(0, 'batch-mean'), recipe, shapes, 0.5),
    );
  });

  it('of low-rank experts: the encoder and their factors for every image, no weight sets', () => {
    const { whole } = encoderValues(tinyConfig);
    const factors = 2 * 2 * (2 * 3 * (16 + 24));
    const ranked = entry('rank_wemoe', { rank: 3, steps: 10 });
    const each = estimateSeconds(ranked, recipe, shapes, 0.5);
    const work = 1 + factors / whole;
    expect(each.adapt).toBeCloseTo(10 * 2 * 3 * 4 * work * 0.5, 9);
    expect(each.evaluate).toBeCloseTo(16 * work * 0.5, 9);
    // Twice through the encoder.
    const { evaluate } = estimateSeconds(entry('twin_merging'), recipe, shapes, 0.5);
    expect(evaluate).toBeGreaterThan(2 * 16 * 0.5);
    expect(estimateSeconds(entry('smile'), recipe, shapes, 0.5).adapt).toBe(0);
  });

  it('of surgery: the merge and the experts look once at every image, whatever the steps', () => {
    const { adapt, evaluate } = estimateSeconds(
      entry('surgery', { steps: 10 }),
      recipe,
      shapes,
      0.5,
    );
    expect(adapt).toBeCloseTo(2 * 16 * 0.5, 9);
    expect(evaluate).toBeCloseTo(16 * 0.5, 9);
  });

  it('counts the images of unseen tasks, but merges and adapts to the others alone', () => {
    const unseen = { config: tinyConfig, images: [10, 6, 20], seenImages: [10, 6] };
    for (const method of [wemoe(1), entry('fisher'), entry('ties'), entry('adamerging')]) {
      const all = estimateSeconds(method, recipe, shapes, 0.5);
      const found = estimateSeconds(method, recipe, unseen, 0.5);
      expect(found.prepare).toBeCloseTo(all.prepare, 9);
      expect(found.adapt).toBeCloseTo(all.adapt, 9);
      expect(found.evaluate).toBeGreaterThan(all.evaluate + 0.99 * 20 * 0.5);
      expect(trainableCount(method, unseen)).toBe(trainableCount(method, shapes));
    }
  });

  it('of statistics: a prediction and a gradient for every image that is looked at', () => {
    const { whole } = encoderValues(tinyConfig);
    const { prepare } = estimateSeconds(entry('fisher', { images: 8 }), recipe, shapes, 0.5);
    expect(prepare).toBeCloseTo((8 + 6) * 4 * 0.5 + (3 * whole) / 1e8, 9);
  });
});

describe('memory and disk', () => {
  const methods = (...list: RecipeMethod[]) => ({ ...recipe, methods: list, monitor: undefined });

  it('hold base and experts, and the largest method beside them', () => {
    const { whole, mlps } = encoderValues(tinyConfig);
    const pixels = 16 * 8 * 8 * 3;
    const inputs = 300e6 + 3 * whole * 4 + pixels;
    const evaluating = 5 * 5 * 16 * 40 * 4;
    expect(estimateMemory(methods(entry('individual')), shapes)).toBe(
      Math.round(inputs + whole * 4 + 1.15 * evaluating),
    );
    const small = estimateMemory(methods(entry('ties')), shapes);
    expect(small).toBe(Math.round(inputs + 2 * whole * 4 + 1.15 * evaluating));
    const large = estimateMemory(methods(wemoe(2)), shapes);
    // Task vectors and static part; the engine's model and task vectors; what learns.
    const held = 2 * mlps + (whole - mlps) + whole + 2 * mlps;
    const learning = 5 * trainableCount(wemoe(2), shapes);
    // Two tasks of four images, each with weights of its own, and their gradients.
    const step = 2 * (4 * 5 * 16 * 2 * 40 * 4) + 2 * 8 * mlps * 4;
    expect(large).toBe(Math.round(inputs + (held + learning) * 4 + 1.15 * step));
    expect(estimateMemory(methods(wemoe(2), entry('ties')), shapes)).toBe(large);
    const monitored = { ...methods(wemoe(2)), monitor: { images: 5 } };
    const [model, merged] = [(whole + 2 * mlps) * 4, (2 * 5 * mlps * 4) / 2];
    expect(estimateMemory(monitored, shapes) - large).toBeCloseTo(
      model + 1.15 * (merged + evaluating),
      -1,
    );
  });

  it('low-rank experts need less memory than whole task vectors, and all of it is counted', () => {
    const { whole } = encoderValues(tinyConfig);
    const factors = 2 * 2 * (2 * 3 * (16 + 24));
    const trainable = 2 * (16 * 2 + 2);
    const found = estimateMemory(methods(entry('rank_wemoe', { rank: 3 })), shapes);
    const inputs = 300e6 + 3 * whole * 4 + 16 * 8 * 8 * 3;
    const step = 2 * (1 + factors / whole) * (4 * 5 * 16 * 2 * 40 * 4);
    const held = 2 * (whole + factors) + 5 * trainable;
    expect(found).toBe(Math.round(inputs + held * 4 + 1.15 * step));
    expect(found).toBeLessThan(estimateMemory(methods(wemoe(1)), shapes));
  });

  it('hold the expert of an unseen task as it was loaded, and no task vectors of it', () => {
    const { whole } = encoderValues(tinyConfig);
    const unseen = { config: tinyConfig, images: [10, 6, 20], seenImages: [10, 6] };
    const more = whole * 4 + 20 * 8 * 8 * 3;
    const found = estimateMemory(methods(wemoe(1)), unseen);
    expect(found - estimateMemory(methods(wemoe(1)), shapes)).toBeCloseTo(more, -1);
    const disk = (of: typeof shapes) => estimateDisk(methods(wemoe(1)), of);
    expect(disk(unseen) - disk(shapes)).toBe(20 * 12 + 2 * 2 * 20 * 2 * 4);
  });

  it('count predictions, events, state and routing weights', () => {
    expect(estimateDisk(methods(entry('ties')), shapes)).toBe(16 * 12);
    const state = 5 * 4 * trainableCount(wemoe(1), shapes);
    const routing = 2 * 2 * (16 * 2 * 4 + 50 * 2 * 20);
    expect(estimateDisk(methods(wemoe(1)), shapes)).toBe(192 + 10 * (160 + 60) + state + routing);
  });
});

/**
 * Resident memory at its peak (VmHWM) of whole runs, each in a process of its own under Node on Linux: the demo's eight
 * tasks, and a ViT-B/32 with three experts of random weights. A person must not be told less; much more would keep them
 * from runs that fit.
 */
describe('memory against measured peaks', () => {
  const demo: VisionConfig = {
    ...tinyConfig,
    hiddenSize: 128,
    intermediateSize: 512,
    layerCount: 6,
    headCount: 4,
    imageSize: 32,
    patchSize: 8,
  };
  const b32: VisionConfig = {
    ...demo,
    hiddenSize: 768,
    intermediateSize: 3072,
    layerCount: 12,
    headCount: 12,
    imageSize: 224,
    patchSize: 32,
  };
  const demoImages = [1000, 1000, 1000, 1032, 1020, 1040, 1012, 1000];
  const routers = (router_layers: number, adaptation: string, evaluation: string) =>
    entry('wemoe', {
      router_layers,
      adaptation_reduction: adaptation,
      evaluation_reduction: evaluation,
    });
  const usual = routers(1, 'batch-mean', 'per-sample');
  const coefficients = entry('adamerging', { granularity: 'layer' });

  it.each<
    [
      name: string,
      model: { config: VisionConfig; images: readonly number[] },
      method: RecipeMethod,
      batches: [adapting: number, evaluating: number, monitor?: number],
      peakMb: number,
    ]
  >([
    ['references', { config: demo, images: demoImages }, entry('individual'), [16, 125], 364],
    ['a static merge', { config: demo, images: demoImages }, entry('ties'), [16, 125], 346],
    ['AdaMerging', { config: demo, images: demoImages }, coefficients, [16, 125], 819],
    [
      'RegMean',
      { config: demo, images: demoImages },
      entry('regmean', { images: 16 }),
      [16, 16],
      416,
    ],
    ['WEMoE', { config: demo, images: demoImages }, usual, [16, 125], 716],
    ['WEMoE in the application', { config: demo, images: demoImages }, usual, [16, 125, 50], 763],
    ['small batches', { config: demo, images: demoImages }, usual, [4, 8], 523],
    ['large batches', { config: demo, images: demoImages }, usual, [48, 8], 1174],
    [
      'weights for each image',
      { config: demo, images: demoImages },
      routers(1, 'per-sample', 'per-sample'),
      [16, 125],
      1451,
    ],
    [
      'three experts',
      { config: demo, images: demoImages.slice(0, 3) },
      routers(1, 'per-sample', 'per-sample'),
      [4, 32],
      411,
    ],
    [
      'references of ViT-B/32',
      { config: b32, images: [16, 16, 16] },
      entry('individual'),
      [4, 16],
      2147,
    ],
    [
      'Fisher merging of ViT-B/32',
      { config: b32, images: [16, 16, 16] },
      entry('fisher', { images: 4 }),
      [16, 16],
      5768,
    ],
    [
      'WEMoE of ViT-B/32',
      { config: b32, images: [16, 16, 16] },
      routers(1, 'batch-mean', 'batch-mean'),
      [4, 16],
      5758,
    ],
    [
      'WEMoE of ViT-B/32 with weights for each image',
      { config: b32, images: [16, 16, 16] },
      routers(1, 'per-sample', 'per-sample'),
      [4, 4],
      9985,
    ],
  ])('%s', (_name, model, method, [batch, evaluating, monitor], peakMb) => {
    const estimated = estimateMemory(
      {
        methods: [method],
        adaptation: { batch, data: 'test' },
        evaluation: { batch: evaluating },
        monitor: monitor === undefined ? undefined : { images: monitor },
      },
      model,
    );
    expect(estimated / 1e6).toBeGreaterThanOrEqual(peakMb);
    expect(estimated / 1e6).toBeLessThan(1.35 * peakMb);
  });

  it('of weights in fp16 is half for a dynamic merge, and the same for an ordinary model', () => {
    const shapes = { config: b32, images: [1, 1, 1, 1, 1, 1, 1, 1] };
    const peak = (method: RecipeMethod, storage: 'fp16' | 'fp32') =>
      estimateMemory(
        {
          methods: [method],
          adaptation: { batch: 1, data: 'test' },
          evaluation: { batch: 1 },
          engine: { id: 'onnx', storage },
        },
        shapes,
      );
    expect(peak(entry('ties'), 'fp16')).toBe(peak(entry('ties'), 'fp32'));
    // Task vectors and encoder, here and in the session: 4 bytes for each value become 2 in each place; a weight and its
    // eight task vectors are there in fp32 while they are used.
    const { whole, mlps } = encoderValues(b32);
    const saved = peak(usual, 'fp32') - peak(usual, 'fp16');
    expect(saved).toBeGreaterThan(2 * (8 * mlps + whole) * 2 * 0.85);
  });
});
