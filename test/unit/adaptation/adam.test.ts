import { describe, expect, it } from 'vitest';
import { adamUpdate, createAdam } from '../../../main/adaptation/adam.ts';

const run = (gradients: readonly number[], learningRate: number, start = 1) => {
  const state = createAdam(new Map([['w', 1]]));
  const w = Float32Array.of(start);
  gradients.forEach((slope, i) => {
    adamUpdate(state, 'w', w, Float32Array.of(slope), { step: i + 1, learningRate });
  });
  return { w: w[0]!, first: state.first.get('w')![0]!, second: state.second.get('w')![0]! };
};

describe('adam', () => {
  it('moves by the learning rate at first, whatever the size of the gradient', () => {
    // m̂ = g and v̂ = g², so the change is g / (|g| + 1e-8).
    for (const slope of [1e-3, 1, 1e3]) {
      expect(run([slope], 0.1).w).toBeCloseTo(0.9, 5);
      expect(run([-slope], 0.1).w).toBeCloseTo(1.1, 5);
    }
    expect(run([1e-8], 0.1).w).toBeCloseTo(1 - 0.1 / 2, 6);
  });

  it('does nothing without a gradient', () => {
    expect(run([0, 0, 0], 0.1)).toEqual({ w: 1, first: 0, second: 0 });
  });

  it('follows the recurrences by hand', () => {
    // m: 0.2, 0.08; v: 0.004, 0.004996. Bias corrections 0.1, 0.19 and 0.001, 0.001999.
    const { w, first, second } = run([2, -1], 0.1);
    expect(first).toBeCloseTo(0.9 * 0.2 - 0.1, 7);
    expect(second).toBeCloseTo(0.999 * 0.004 + 0.001, 9);
    const change = 0.08 / 0.19 / (Math.sqrt(0.004996 / 0.001999) + 1e-8);
    expect(w).toBeCloseTo(0.9 - 0.1 * change, 6);
  });

  it('keeps the moments of every parameter apart', () => {
    const state = createAdam(
      new Map([
        ['a', 2],
        ['b', 1],
      ]),
    );
    const options = { step: 1, learningRate: 0.5 };
    adamUpdate(state, 'a', new Float32Array(2), Float32Array.of(1, -1), options);
    expect([...state.first.get('a')!]).toEqual([0.1, -0.1].map(Math.fround));
    expect([...state.first.get('b')!]).toEqual([0]);
    expect(() => {
      adamUpdate(state, 'c', new Float32Array(1), new Float32Array(1), options);
    }).toThrow('no moments for "c"');
  });
});
