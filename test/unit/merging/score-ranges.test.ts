import { describe, expect, test } from 'vitest';
import { normals, randomStream } from '../../../main/lib/random.ts';
import { rangePasses, type ScoreRanges } from '../../../main/merging/elementwise/score-ranges.ts';
import { ScoreKernel, type Range } from '../../../main/merging/kernels/score-kernel.ts';
import type { Group } from '../../../main/merging/method.ts';

const LENGTH = 9001;
const base = normals(randomStream('base'), LENGTH, 1);

function expertsOf(count: number, step: (change: number, index: number) => number): Float32Array[] {
  return Array.from({ length: count }, (_, k) => {
    const changes = normals(randomStream('change', k), LENGTH, 1);
    return base.map((value, i) => value + step(changes[i]!, i));
  });
}

interface Found extends ScoreRanges {
  /** How many passes were made. */
  readonly passes: number;
}

/** The pieces one after another; the last go into a tally of their own, as in another thread. */
function find(
  own: Float32Array,
  experts: readonly Float32Array[],
  tails: Range,
  rank: number,
): Found {
  const { length } = own;
  const pieces = [0, 4097, 4099, 8192, length];
  const groups = pieces.slice(1).map((end, at): Group => {
    const cut = (values: Float32Array) => values.subarray(pieces[at], end);
    return {
      name: 'whole',
      shape: [length],
      offset: pieces[at]!,
      base: cut(own),
      experts: experts.map(cut),
    };
  });
  const totals = { expertCount: experts.length, valueCount: length };
  let prepared: ScoreRanges | undefined;
  let passes = 0;
  for (const pass of rangePasses({ tails: () => tails, score: () => rank })) {
    if (prepared !== undefined && pass.needless?.(prepared) === true) continue;
    passes++;
    const [tally, other] = [pass.begin(totals, prepared), pass.begin(totals, prepared)];
    const context = { settings: [], seed: 0, linear: undefined as never, prepared: prepared! };
    for (const [at, group] of groups.entries())
      pass.add(at < 2 ? tally : other, group, {}, context);
    pass.combine(tally, other);
    prepared = pass.finish(tally, prepared, totals);
  }
  return { ...prepared!, passes };
}

function sortedChanges(own: Float32Array, expert: Float32Array): Float32Array {
  return expert.map((value, i) => Math.abs(Math.fround(value - own[i]!))).sort();
}

function sortedScores(
  own: Float32Array,
  experts: readonly Float32Array[],
  clamps: readonly Range[],
): readonly Float32Array[] {
  const kernel = new ScoreKernel(experts.length);
  return experts.map((_, k) => {
    const scores = new Float32Array(own.length);
    for (let begin = 0; begin < own.length; begin += 4096) {
      const end = Math.min(begin + 4096, own.length);
      kernel.load({ base: own, experts }, begin, end);
      const places = Int32Array.from({ length: end - begin }, (_place, i) => i);
      scores.set(kernel.scores(k, clamps[k]!, places), begin);
    }
    return scores.sort().reverse();
  });
}

/** Zeros of both signs are equal numbers. */
const plus = ({ least, greatest }: Range): Range => ({ least: least + 0, greatest: greatest + 0 });

function expectSorted(
  own: Float32Array,
  experts: readonly Float32Array[],
  tails: Range,
  rank: number,
): Found {
  const found = find(own, experts, tails, rank);
  const changes = experts.map((expert) => sortedChanges(own, expert));
  const clamps = changes.map((sorted) => ({
    least: sorted[tails.least - 1]!,
    greatest: sorted[sorted.length - tails.greatest]!,
  }));
  expect(found.clamps).toEqual(clamps);
  const limits = sortedScores(own, experts, clamps).map((scores) => ({
    least: scores[rank - 1]!,
    greatest: scores[0]!,
  }));
  expect(found.limits!.map(plus)).toEqual(limits.map(plus));
  return found;
}

describe.each([
  ['small changes', 8, (x: number) => 1e-3 * x],
  ['mostly unchanged', 3, (x: number, i: number) => (i % 10 === 0 ? 1e-3 * x : 0)],
  ['few different changes', 3, (x: number) => Math.sign(x) / 64],
  ['large changes', 2, (x: number) => 9 * x],
  ['tiny ones', 4, (x: number) => 1e-19 * x],
  ['none at all', 2, () => 0],
  ['scores close to each other', 2, (x: number) => 0.1 * (1 + 0.002 * x)],
] as const)('%s', (_, count, step) => {
  const experts = expertsOf(count, step);
  test.each([1, 2, 900, 901, 4500, 6000, LENGTH - 1, LENGTH])(
    'the magnitudes and scores of ranks are those of sorting: %i',
    (rank) => {
      const few = { least: 1, greatest: 2 };
      const passes = [few, { least: 3000, greatest: 2500 }].map(
        (tails) => expectSorted(base, experts, tails, rank).passes,
      );
      expect(Math.max(...passes)).toBeLessThanOrEqual(4);
    },
  );
});

describe('of more values than a sample has', () => {
  const count = 1_100_003;
  const own = normals(randomStream('many'), count, 1);
  const changes = normals(randomStream('many changes'), count, 1e-2);
  // Mostly of another size where the sample takes no value: it takes every third of each tally.
  const sampled = (i: number) => (i < 4099 ? i : i - 4099) % 3 === 0;
  const expertOf = (hidden: number) =>
    own.map((value, i) => value + changes[i]! * (sampled(i) ? 1 : hidden));
  const tails = { least: 111, greatest: 112 };

  test('a guess saves two passes', () => {
    expect(expectSorted(own, [expertOf(1)], tails, 110_000).passes).toBe(2);
  });

  test('a guess that is wrong is found out', () => {
    const found = expectSorted(own, [expertOf(3)], tails, 110_000);
    expect(found.passes).toBe(4);
    expect(expectSorted(own, [expertOf(0.2)], tails, 110_000).passes).toBe(4);
  });

  test('scores of a rare rank lie far apart, which takes another pass', () => {
    expect(expectSorted(own, [expertOf(1)], tails, 400).passes).toBe(3);
  });
});

test('a rank past the number of values is a bug of the caller', () => {
  const experts = expertsOf(1, (x) => x);
  expect(() => find(base, experts, { least: 1, greatest: LENGTH + 1 }, 1)).toThrow(RangeError);
});
