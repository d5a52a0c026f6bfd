import { describe, expect, it } from 'vitest';
import { meanRouting, summariseRouting } from '../../../main/routing/summary.ts';

/** Two tasks (3 and 2 images), two layers, two experts; [image][layer][expert]. */
const a = [
  [1, 0, 0, 2],
  [3, 1, 1, 0],
  [2, 5, 2, 1],
];
const b = [
  [0, 1, -1, -2],
  [0, 3, -3, -2],
];
const tensor = (rows: number[][]) => ({
  shape: [rows.length, 2, 2],
  data: Float32Array.from(rows.flat()),
});
const summary = summariseRouting(
  new Map([
    ['a', tensor(a)],
    ['b', tensor(b)],
  ]),
);

describe('a summary of routing weights', () => {
  it('has the mean of every layer, task and expert', () => {
    expect(summary.tasks).toEqual(['a', 'b']);
    expect(summary.mean).toEqual([
      [
        [2, 2],
        [0, 2],
      ],
      [
        [1, 1],
        [-2, -2],
      ],
    ]);
  });

  it('has the deviation over the images', () => {
    const third = (x: number) => Math.sqrt(x / 3);
    // a: (1, 3, 2), (0, 1, 5); (0, 1, 2), (2, 0, 1). b: (0, 0), (1, 3); (−1, −3), (−2, −2).
    const wanted = [
      [
        [third(2), third(14)],
        [0, 1],
      ],
      [
        [third(2), third(2)],
        [1, 0],
      ],
    ];
    const flat = wanted.flat(2);
    summary.deviation.flat(2).forEach((x, i) => expect(x).toBeCloseTo(flat[i]!, 12));
  });

  it('counts the images whose largest λ is that of their own expert', () => {
    // Layer 0: a chooses 0, 0, 1; b chooses 1, 1. Layer 1: a chooses 1, 0, 0; b chooses 0, 1.
    expect(summary.firstChoice).toEqual([
      [2 / 3, 1],
      [2 / 3, 1 / 2],
    ]);
  });

  it('takes the first of equal λ as the choice', () => {
    const even = { shape: [1, 1, 3], data: Float32Array.of(0.3, 0.3, 0.3) };
    const tied = new Map(['a', 'b', 'c'].map((task) => [task, even]));
    expect(summariseRouting(tied).firstChoice).toEqual([[1, 0, 0]]);
  });

  it('averages tasks equally, however many images they have', () => {
    expect(meanRouting(summary)).toEqual([
      [1, 2],
      [-0.5, -0.5],
    ]);
  });

  it('is empty without routing', () => {
    const empty = summariseRouting(new Map());
    expect(empty).toEqual({ tasks: [], mean: [], deviation: [], firstChoice: [] });
    expect(meanRouting(empty)).toEqual([]);
  });
});
