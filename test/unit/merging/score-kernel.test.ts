import { describe, expect, test } from 'vitest';
import { normals, randomStream } from '../../../main/lib/random.ts';
import { ScoreKernel } from '../../../main/merging/kernels/score-kernel.ts';

/** As the paper has it, scaled by exp(−K). */
function scoreOf(change: number, sum: number, size: number, tasks: number): number {
  return Math.exp(tasks * (size * size - 1)) * Math.tanh(change * sum);
}

const base = new Float32Array(5000);
const plain = normals(randomStream('scores'), 5000, 1);
const sums = Float64Array.from(normals(randomStream('sums'), 5000, 1));

describe('scores', () => {
  test.each([
    ['changes of fine-tuning', 1e-3, 1e-3, 8],
    ['angles around the border of the series', 0.1, 0.3, 8],
    ['large angles', 5, 50, 2],
    ['one task', 1, 1, 1],
    ['many tasks', 1e-2, 1, 60],
  ])('of %s are those of Math, to fp32', (_, size, sumSize, tasks) => {
    const [expert, all] = [plain.map((x) => x * size), sums.map((x) => x * sumSize)];
    const range = { least: 0.01 * size, greatest: 2.5 * size };
    const kernel = new ScoreKernel();
    let worst = 0;
    for (const [begin, end] of [
      [0, 4096],
      [4096, 5000],
      [3, 4],
    ] as const) {
      const found = kernel.scores(
        expert.subarray(begin, end),
        base.subarray(begin, end),
        all.subarray(begin, end),
        range,
        tasks,
      );
      expect(found).toHaveLength(end - begin);
      for (const [i, score] of found.entries()) {
        const change = expert[begin + i]!;
        const inside = Math.min(Math.max(Math.abs(change), range.least), range.greatest);
        const place = (inside - range.least) / (range.greatest - range.least);
        const wanted = scoreOf(change, all[begin + i]!, place, tasks);
        // Half a step of fp32, and 1e-14; less than its least number of full precision counts as zero.
        const allowed = Math.abs(wanted) * (2 ** -24 + 1e-14) + 1e-45;
        worst = Math.max(worst, Math.abs(score - wanted) / allowed);
      }
    }
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThanOrEqual(1);
  });

  test('where no change has a place above the least, all have that place', () => {
    const found = new ScoreKernel().scores(
      Float32Array.of(0.5, -0.5),
      new Float32Array(2),
      Float64Array.of(1, 1),
      { least: 0.5, greatest: 0.5 },
      3,
    );
    const score = Math.fround(scoreOf(0.5, 1, 0, 3));
    expect(found[0]).toBeCloseTo(score, 8);
    expect(found[1]).toBe(-found[0]!);
  });

  test('zero changes have zero scores', () => {
    const found = new ScoreKernel().scores(
      base.subarray(0, 4096),
      base.subarray(0, 4096),
      sums.subarray(0, 4096),
      { least: 0, greatest: 1 },
      8,
    );
    expect(found.every((score) => Math.abs(score) === 0)).toBe(true);
  });
});
