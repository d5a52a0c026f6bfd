import { expect, test } from 'vitest';
import { normals, randomStream } from '../../../main/lib/random.ts';
import {
  bracketPass,
  forEachEstimated,
  scorePass,
  type FoundScores,
} from '../../../main/merging/elementwise/score-ranges.ts';
import { LOW_BITS } from '../../../main/merging/kernels/key-kernel.ts';
import { keysOf, ScoreKernel, type Range } from '../../../main/merging/kernels/score-kernel.ts';
import type { Group, Pass } from '../../../main/merging/method.ts';

const LENGTH = 9001;
const base = normals(randomStream('base'), LENGTH, 1);

function expertsOf(count: number, step: (change: number, index: number) => number): Float32Array[] {
  return Array.from({ length: count }, (_, k) => {
    const changes = normals(randomStream('change', k), LENGTH, 1);
    return base.map((value, i) => value + step(changes[i]!, i));
  });
}

/** The pieces one after another; the last go into a tally of their own, as in another thread. */
function find(
  experts: readonly Float32Array[],
  clamps: readonly Range[],
  ranks: readonly number[],
): readonly (readonly number[])[] {
  const pieces = [0, 4097, 4099, 8192, LENGTH];
  const groups = pieces.slice(1).map((end, at): Group => {
    const cut = (values: Float32Array) => values.subarray(pieces[at], end);
    return {
      name: 'whole',
      shape: [LENGTH],
      offset: pieces[at]!,
      base: cut(base),
      experts: experts.map(cut),
    };
  });
  const totals = { expertCount: experts.length, valueCount: LENGTH };
  let prepared: FoundScores = {};
  const passes: Pass<FoundScores>[] = [
    bracketPass<FoundScores>(
      () => clamps,
      () => ranks,
    ),
    scorePass<FoundScores>(() => clamps, ranks.length),
  ];
  for (const pass of passes) {
    const [tally, other] = [pass.begin(totals), pass.begin(totals)];
    const context = { settings: [], seed: 0, linear: undefined as never, prepared };
    for (const [at, group] of groups.entries())
      pass.add(at < 2 ? tally : other, group, {}, context);
    pass.combine(tally, other);
    prepared = pass.finish(tally, prepared, totals);
  }
  return prepared.scores!;
}

function sortedScores(
  experts: readonly Float32Array[],
  clamps: readonly Range[],
): readonly Float32Array[] {
  const kernel = new ScoreKernel(experts.length);
  return experts.map((_, k) => {
    const scores = new Float32Array(LENGTH);
    for (let begin = 0; begin < LENGTH; begin += 4096) {
      const end = Math.min(begin + 4096, LENGTH);
      kernel.load({ base, experts }, begin, end);
      const places = Int32Array.from({ length: end - begin }, (_place, i) => i);
      scores.set(kernel.scores(k, clamps[k]!, places), begin);
    }
    return scores.sort().reverse();
  });
}

test.each([
  ['small changes', 8, (x: number) => 1e-3 * x, 4e-3],
  ['mostly unchanged', 3, (x: number, i: number) => (i % 10 === 0 ? 1e-3 * x : 0), 4e-3],
  ['few different changes', 3, (x: number) => Math.sign(x) / 64, 1 / 32],
  ['large changes', 2, (x: number) => 9 * x, 30],
  ['tiny ones', 4, (x: number) => 1e-19 * x, 1e-19],
  ['none at all', 2, () => 0, 1],
] as const)('%s: the scores of all ranks are those of sorting', (_, count, step, greatest) => {
  const experts = expertsOf(count, step);
  const clamps = experts.map(() => ({ least: 0, greatest: Math.fround(greatest) }));
  const ranks = [1, 2, 900, 901, 4500, 6000, LENGTH - 1, LENGTH];
  const sorted = sortedScores(experts, clamps);
  for (const [k, scores] of find(experts, clamps, ranks).entries()) {
    // Zeros of both signs are equal numbers.
    expect(scores.map((score) => score + 0)).toEqual(
      ranks.map((rank) => sorted[k]![rank - 1]! + 0),
    );
  }
});

test('also those of scores whose estimates lie beyond the border of a bin', () => {
  // Close to each other, so that there are many at every border.
  const experts = expertsOf(1, (x) => 0.1 * (1 + 0.002 * x));
  const clamps = [{ least: 0, greatest: Math.fround(0.4) }];
  const [sorted] = sortedScores(experts, clamps);
  const bins = keysOf(sorted!.slice()).map((key) => key >>> LOW_BITS);
  const borders = [...bins.keys()].filter((i) => i > 100 && bins[i] !== bins[i - 1]);
  const ranks = borders.slice(0, 6).flatMap((rank) => [rank - 2, rank, rank + 1, rank + 3]);
  expect(find(experts, clamps, ranks)).toEqual([ranks.map((rank) => sorted![rank - 1])]);
});

test('a rank past the number of values is a bug of the caller', () => {
  const experts = expertsOf(1, (x) => x);
  expect(() => find(experts, [{ least: 0, greatest: 1 }], [LENGTH + 1])).toThrow(RangeError);
});

test('blocks are visited in order, expert by expert', () => {
  const seen: string[] = [];
  const experts = expertsOf(2, (x) => x);
  const clamps = experts.map(() => ({ least: 0, greatest: 1 }));
  forEachEstimated(
    { base, experts },
    clamps,
    (_kernel, expert) => seen.push(`expert ${expert}`),
    (begin, end) => seen.push(`${begin} to ${end}`),
  );
  const block = (range: string) => ['expert 0', 'expert 1', range];
  expect(seen).toEqual(['0 to 4096', '4096 to 8192', '8192 to 9001'].flatMap(block));
});
