import { describe, expect, it } from 'vitest';
import { normals, randomStream } from '../../../main/lib/random.ts';
import {
  balanceByLoops,
  electionBalance,
  mergeByLoops,
  mergeTaskVectors,
  type Sparsify,
  type TaskVectorMerge,
} from '../../../main/merging/elementwise/merge-task-vectors.ts';
import { RandomDrop } from '../../../main/merging/elementwise/random-drop.ts';
import type { ElectionRules } from '../../../main/merging/elementwise/sign-election.ts';
import { Trimmer } from '../../../main/merging/elementwise/trim.ts';
import type { Group } from '../../../main/merging/method.ts';

/** Values of which many are equal to the base, opposite to each other or the same. */
function groupOf(count: number, experts: number, offset = 0): Group {
  const base = normals(randomStream('base', count), count, 0.05);
  const coarse = (value: number) => Math.round(value * 32) / 1024;
  const models = Array.from({ length: experts }, (_, k) => {
    const change = normals(randomStream('expert', count, k), count, 1);
    return base.map((value, i) => value + (i % 3 === 0 ? coarse(change[i]!) : change[i]! / 64));
  });
  return { name: 'a.weight', shape: [count], offset, base, experts: models };
}

const weights = [0.5, -0.25, 1, 0, 1 / 3, 0.7, 1, 2];
const settings = (given: Partial<TaskVectorMerge>): TaskVectorMerge => ({
  weights,
  lambda: 0.3,
  ...given,
});

function same(group: Group, merge: TaskVectorMerge): void {
  const found = mergeTaskVectors(group, merge);
  const wanted = mergeByLoops(group, merge);
  expect(Buffer.compare(Buffer.from(found.buffer), Buffer.from(wanted.buffer))).toBe(0);
}

const rules: readonly ElectionRules[] = (['mass', 'frequency'] as const).flatMap((vote) =>
  (['before_vote', 'after_vote'] as const).flatMap((weigh) =>
    ([1, -1] as const).flatMap((evenSign) =>
      (['sum', 'mean', 'weighted_mean'] as const).map((merge) => ({
        vote,
        weigh,
        evenSign,
        merge,
      })),
    ),
  ),
);

const tops = [
  { key: 0x3c000000, cutoff: Infinity },
  { key: 0x3c800000, cutoff: 1500 },
  { key: 0, cutoff: Infinity },
  { key: 0x7fffffff, cutoff: 0 },
  { key: 0x3c800000, cutoff: 1003 },
  { key: 0x3d000000, cutoff: 2060 },
  { key: 0x3d000000, cutoff: 0 },
  { key: 0x3b800000, cutoff: 1 },
];

function trimmed(group: Group): Pick<TaskVectorMerge, 'sparsify' | 'masking'> {
  const trim = new Trimmer(2048);
  const sparsify: Sparsify = (values, expert, begin, end) => {
    trim.keepTop(values, tops[expert]!, group.offset + begin, end - begin);
  };
  return { sparsify, masking: { tops } };
}

const probabilities = [0.5, 0, 1, 0.9, 0.1, 0.25, 0.999999999, 1e-10];

function dropped(group: Group): Pick<TaskVectorMerge, 'sparsify' | 'masking'> {
  const random = new RandomDrop(group, 3, 2048);
  const scales = probabilities.map((probability) => (probability > 0 ? 1 / probability : 1));
  const sparsify: Sparsify = (values, expert, begin, end) => {
    random.drop(values, probabilities[expert]!, expert, begin, end - begin);
    for (let i = 0; i < end - begin; i++) values[i]! *= scales[expert]!;
  };
  return { sparsify, masking: { random: { seed: 3, probabilities }, scales } };
}

describe('vector code gives the bits of the loops', () => {
  it.each([1, 3, 4, 2048, 5003])('%d values, summed', (count) => {
    const group = groupOf(count, 8, 1000);
    for (const divisor of [1, 2.3]) {
      same(group, settings({ divisor }));
      same(group, settings({ divisor, ...trimmed(group) }));
      same(group, settings({ divisor, ...dropped(group) }));
      same(group, settings({ divisor, sparsify: dropped(group).sparsify }));
    }
  });

  it.each(rules)('election by $vote, $weigh, $merge, $evenSign', (election) => {
    for (const [count, experts] of [
      [4099, 8],
      [7, 2],
      [64, 1],
    ] as const) {
      const group = groupOf(count, experts, 1000);
      const byLoops = { sparsify: trimmed(group).sparsify };
      for (const thinned of [{}, trimmed(group), dropped(group), byLoops]) {
        same(group, settings({ election, ...thinned }));
        const merge = { weights, ...thinned };
        expect(electionBalance(group, merge, election)).toBe(
          balanceByLoops(group, merge, election),
        );
      }
    }
  });

  it('random masks across the index 2^32, in parts', () => {
    const group = groupOf(4096, 3, 2 ** 32 - 1000);
    const merge = settings(dropped(group));
    same(group, merge);
    const before: Group = {
      ...group,
      base: group.base.subarray(0, 1000),
      experts: group.experts.map((values) => values.subarray(0, 1000)),
    };
    const first = mergeTaskVectors(before, settings(dropped(before)));
    expect(first).toEqual(mergeTaskVectors(group, merge).slice(0, 1000));
  });
});
