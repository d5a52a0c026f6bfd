import { describe, expect, test } from 'vitest';
import { normals, randomStream } from '../../../main/lib/random.ts';
import { MOST_OFF } from '../../../main/merging/kernels/score-estimate.ts';
import { keysOf, ScoreKernel, type Range } from '../../../main/merging/kernels/score-kernel.ts';

/** As the paper has it, scaled by exp(−K). */
function scoreOf(change: number, sum: number, size: number, tasks: number): number {
  return Math.exp(tasks * (size * size - 1)) * Math.tanh(change * sum);
}

const LENGTH = 5000;
const base = new Float32Array(LENGTH);
const plain = normals(randomStream('scores'), LENGTH, 1);
const others = normals(randomStream('sums'), LENGTH, 1);

/** Two experts of which the second makes up most of the sum, and `tasks` less two that are the base. */
function modelsOf(size: number, otherSize: number, tasks: number): Float32Array[] {
  const empty = Array.from({ length: tasks }, () => base);
  return [
    plain.map((x) => x * size),
    ...[others.map((x) => x * otherSize), ...empty].slice(0, tasks - 1),
  ];
}

/** Visits every expert's values, which do not begin at a multiple of four. */
function forEachPiece(
  experts: readonly Float32Array[],
  visit: (kernel: ScoreKernel, begin: number, count: number) => void,
): void {
  const kernel = new ScoreKernel(experts.length);
  for (const [begin, end] of [
    [0, 4096],
    [4096, LENGTH],
    [3, 4],
  ] as const) {
    kernel.load({ base, experts }, begin, end);
    visit(kernel, begin, end - begin);
  }
}

const cases = [
  ['changes of fine-tuning', 1e-3, 1e-3, 8, 2.5],
  ['angles around the border of the series', 0.1, 0.3, 8, 2.5],
  ['large angles', 5, 50, 2, 2.5],
  ['one task', 1, 0, 1, 2.5],
  ['many tasks', 1e-2, 1, 60, 2.5],
  ['scores next to nothing', 1e-17, 1e-16, 8, 2.5],
  ['magnitudes in a narrow range', 1e-2, 1e-2, 8, 0.0101],
] as const;

const all = Int32Array.from({ length: LENGTH }, (_, i) => i);

describe.each(cases)('of %s', (_, size, otherSize, tasks, most) => {
  const experts = modelsOf(size, otherSize, tasks);
  const range: Range = { least: Math.fround(0.01 * size), greatest: Math.fround(most * size) };

  test('scores are those of Math, to fp32', () => {
    let worst = 0;
    forEachPiece(experts, (kernel, begin, count) => {
      const found = kernel.scores(0, range, all.subarray(0, count));
      expect(found).toHaveLength(count);
      for (const [i, score] of found.entries()) {
        const change = experts[0]![begin + i]!;
        const sum = experts.reduce((total, expert) => total + expert[begin + i]!, 0);
        const inside = Math.min(Math.max(Math.abs(change), range.least), range.greatest);
        const place = (inside - range.least) / (range.greatest - range.least);
        const wanted = scoreOf(change, sum, place, tasks);
        // Half a step of fp32, and 1e-14; less than its least number of full precision counts as zero.
        const allowed = Math.abs(wanted) * (2 ** -24 + 1e-14) + 1e-45;
        worst = Math.max(worst, Math.abs(score - wanted) / allowed);
      }
    });
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThanOrEqual(1);
  });

  test('keys of estimates are no farther from those of the scores than they may be', () => {
    let worst = 0;
    forEachPiece(experts, (kernel, _begin, count) => {
      kernel.estimate(0, range);
      const estimates = kernel.keys.keys.slice(0, count);
      const keys = keysOf(kernel.scores(0, range, all.subarray(0, count)));
      for (const [i, key] of keys.entries()) {
        worst = Math.max(worst, Math.abs(key - estimates[i]!));
      }
    });
    expect(worst).toBeLessThanOrEqual(MOST_OFF);
  });
});

test('where no change has a place above the least, all have that place', () => {
  const kernel = new ScoreKernel(3);
  const half = Float32Array.of(0.5, -0.5);
  kernel.load({ base: new Float32Array(2), experts: [half, half, half] }, 0, 2);
  const range = { least: 0.5, greatest: 0.5 };
  const found = kernel.scores(0, range, Int32Array.of(0, 1)).slice();
  const score = Math.fround(scoreOf(0.5, 1.5, 0, 3));
  expect(found[0]).toBeCloseTo(score, 8);
  expect(found[1]).toBe(found[0]);
  kernel.estimate(0, range);
  expect([...kernel.keys.keys.subarray(0, 2)]).toEqual([...keysOf(found)]);
});

test('zero changes have zero scores', () => {
  const kernel = new ScoreKernel(2);
  kernel.load({ base: plain, experts: [plain, others] }, 0, 4096);
  const range = { least: 0, greatest: 1 };
  const found = kernel.scores(0, range, all.subarray(0, 4096));
  expect(found.every((score) => Math.abs(score) === 0)).toBe(true);
  kernel.estimate(0, range);
  // Of zeros of both signs.
  expect(kernel.keys.keys.subarray(0, 4096).every((key) => key === 0 || key === -1)).toBe(true);
});

test('only places that are asked for, in their order', () => {
  const experts = modelsOf(1e-3, 1e-3, 4);
  const kernel = new ScoreKernel(4);
  kernel.load({ base, experts }, 0, 4096);
  const range = { least: 1e-5, greatest: 3e-3 };
  const every = kernel.scores(0, range, all.subarray(0, 4096)).slice();
  const places = Int32Array.of(4095, 7, 8, 0, 2000);
  expect([...kernel.scores(0, range, places)]).toEqual([...places].map((i) => every[i]));
  expect([...kernel.changes(0, places)]).toEqual([...places].map((i) => experts[0]![i]));
});
