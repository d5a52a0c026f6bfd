import { describe, expect, it } from 'vitest';
import {
  encoderValues,
  estimateDisk,
  estimateMemory,
  estimateSeconds,
  forwardOperations,
  trainableCount,
} from '../../../main/runs/estimate.ts';
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
});

describe('memory and disk', () => {
  const methods = (...list: RecipeMethod[]) => ({ ...recipe, methods: list, monitor: undefined });

  it('hold base and experts, and the largest method beside them', () => {
    const { whole } = encoderValues(tinyConfig);
    const pixels = 16 * 8 * 8 * 3;
    const evaluating = 5 * 5 * 16 * 40 * 4;
    expect(estimateMemory(methods(entry('individual')), shapes)).toBe(
      300e6 + 3 * whole * 4 + pixels + 2 * whole * 4 + evaluating,
    );
    const small = estimateMemory(methods(entry('ties')), shapes);
    const large = estimateMemory(methods(wemoe(2)), shapes);
    expect(large).toBeGreaterThan(small);
    expect(estimateMemory(methods(wemoe(2), entry('ties')), shapes)).toBe(large);
    const monitored = { ...methods(wemoe(2)), monitor: { images: 5 } };
    const { mlps } = encoderValues(tinyConfig);
    expect(estimateMemory(monitored, shapes) - large).toBe((whole + 2 * mlps) * 4);
  });

  it('count predictions, events, state and routing weights', () => {
    expect(estimateDisk(methods(entry('ties')), shapes)).toBe(16 * 12);
    const state = 5 * 4 * trainableCount(wemoe(1), shapes);
    const routing = 2 * 2 * (16 * 2 * 4 + 50 * 2 * 20);
    expect(estimateDisk(methods(wemoe(1)), shapes)).toBe(192 + 10 * (160 + 60) + state + routing);
  });
});
