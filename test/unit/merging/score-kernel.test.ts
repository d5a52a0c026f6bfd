import { describe, expect, test } from 'vitest';
import { normals, randomStream } from '../../../main/lib/random.ts';
import {
  keysOf,
  ScoreKernel,
  sieveFrom,
  sieveOf,
  type Range,
} from '../../../main/merging/kernels/score-kernel.ts';

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

  test('what a sieve holds back has no score of its keys, and is counted where it lies above', () => {
    forEachPiece(experts, (kernel, _begin, count) => {
      const keys = keysOf(kernel.scores(0, range, all.subarray(0, count))).slice();
      const step = Math.ceil(count / 100);
      for (const least of keys.filter((_key, i) => i % step === 0)) {
        const greatest = least + 1000;
        const { places, above } = kernel.sift(0, range, sieveOf({ least, greatest }, 0x7f000000));
        const listed = new Set(places);
        const held = [...keys].filter((_key, place) => !listed.has(place));
        expect(held.filter((key) => key >= least && key <= greatest)).toEqual([]);
        expect(above).toBe(held.filter((key) => key > greatest).length);
      }
    });
  });

  test('nor one from a certain score on', () => {
    forEachPiece(experts, (kernel, _begin, count) => {
      const scores = kernel.scores(0, range, all.subarray(0, count)).slice();
      const limit = scores.toSorted()[Math.floor(0.9 * count)]!;
      const listed = new Set(kernel.sift(0, range, sieveFrom(limit)).places);
      expect([...scores.keys()].filter((i) => scores[i]! >= limit && !listed.has(i))).toEqual([]);
      const sieve = sieveOf({ least: 1, greatest: 0 }, keysOf(Float32Array.of(limit))[0]!);
      const top = new Set(kernel.sift(0, range, sieve).places);
      expect([...scores.keys()].filter((i) => scores[i]! >= limit && !top.has(i))).toEqual([]);
    });
  });
});

test('a sieve holds nearly all back that does not matter', () => {
  const kernel = new ScoreKernel(8);
  kernel.load({ base, experts: modelsOf(1e-3, 1e-3, 8) }, 0, 4096);
  const range = { least: 0, greatest: Math.fround(2.5e-3) };
  const scores = kernel.scores(0, range, all.subarray(0, 4096)).toSorted();
  const { places } = kernel.sift(0, range, sieveFrom(scores[3686]!));
  expect(places.length).toBeGreaterThanOrEqual(410);
  expect(places.length).toBeLessThan(430);
  expect(places).toEqual(places.toSorted());
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
  const limit = found[0]!;
  expect([...kernel.sift(0, range, sieveFrom(limit)).places]).toEqual([0, 1]);
});

test('zero changes have zero scores', () => {
  const kernel = new ScoreKernel(2);
  kernel.load({ base: plain, experts: [plain, others] }, 0, 4096);
  const range = { least: 0, greatest: 1 };
  const found = kernel.scores(0, range, all.subarray(0, 4096));
  expect(found.every((score) => Math.abs(score) === 0)).toBe(true);
  // They are certain, so nothing is listed.
  const { places, above } = kernel.sift(0, range, sieveOf({ least: 1e6, greatest: 2e6 }, 3e6));
  expect(places).toHaveLength(0);
  expect(above).toBe(0);
  expect(kernel.sift(0, range, sieveOf({ least: -2e6, greatest: -1e6 }, 3e6)).above).toBe(4096);
});

test('only places that are asked for, in their order', () => {
  const experts = modelsOf(1e-3, 1e-3, 4);
  const kernel = new ScoreKernel(4);
  kernel.load({ base, experts }, 0, 4096);
  const range = { least: 1e-5, greatest: 3e-3 };
  const every = kernel.scores(0, range, all.subarray(0, 4096)).slice();
  const places = Int32Array.of(4095, 7, 8, 0, 2000);
  expect([...kernel.scores(0, range, places)]).toEqual([...places].map((i) => every[i]));
});

test('merged values are the base and the mean of the clamped changes by their shares', () => {
  const experts = [
    ...modelsOf(0.3, 0.2, 3),
    // No change in every third place.
    base.map((_, i) => (i % 3 === 0 ? 0 : plain[i]!)),
  ].map((values) => values.map((value, i) => value + others[i]!));
  const group = { base: others, experts };
  const clamps = experts.map((_, k) => ({ least: 0.01, greatest: Math.fround(0.4 + 0.1 * k) }));
  const limits = clamps.map(() => ({ least: Math.fround(-0.01), greatest: Math.fround(0.02) }));
  const kernel = new ScoreKernel(experts.length);
  for (const [begin, end] of [
    [0, 4096],
    [4096, LENGTH],
  ] as const) {
    kernel.load(group, begin, end);
    const [target, sum] = [new Float64Array(4096), new Float64Array(4096)];
    for (const [k, range] of clamps.entries()) {
      const places = all.subarray(0, end - begin).filter((i) => (i + k) % 4 !== 0);
      const scores = kernel.scores(k, range, places).slice();
      kernel.addShares(k, range, limits[k]!, places);
      const { least, greatest } = limits[k]!;
      for (const [j, place] of places.entries()) {
        const change = experts[k]![begin + place]! - others[begin + place]!;
        const score = Math.min(Math.max(scores[j]!, least), greatest);
        const share = (score - least) / (greatest - least);
        const size = Math.min(Math.max(Math.abs(change), range.least), range.greatest);
        target[place]! += share * Math.sign(change) * size;
        sum[place]! += share;
      }
    }
    const wanted = Float32Array.from(
      others.subarray(begin, end),
      (value, i) => value + 0.7 * (target[i]! / Math.max(sum[i]!, 1e-12)),
    );
    expect(kernel.merge(0.7)).toEqual(wanted);
  }
});
