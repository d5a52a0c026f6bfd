import fc from 'fast-check';
import { expect, test } from 'vitest';
import { linearAlgebra } from '../../../main/merging/linear-algebra.ts';
import type { Group } from '../../../main/merging/method.ts';
import { numberOfKey } from '../../../main/merging/select-counts.ts';
import {
  selectionPasses,
  topSets,
  type Selected,
  type SelectionRequest,
  type TopSets,
} from '../../../main/merging/select-magnitudes.ts';
import { groupOf, sourceOf } from './in-memory.ts';

type Request = SelectionRequest<Selected<'top'>>;

/** The top sets of every group; groups of one name are pieces of a tensor, in order. */
function select(groups: readonly Group[], request: Request): TopSets[] {
  let prepared: Selected<'top'> | undefined;
  for (const pass of selectionPasses('top', request)) {
    const total = pass.begin(sourceOf(groups));
    let tally: unknown;
    for (const group of groups) {
      if (group.offset === 0) {
        if (tally !== undefined) pass.combine(total, tally);
        tally = pass.begin(sourceOf(groups));
      }
      const context = { settings: [], seed: 1, linear: linearAlgebra, prepared: prepared ?? {} };
      pass.add(tally, group, {}, context);
    }
    pass.combine(total, tally);
    prepared = pass.finish(total, prepared, sourceOf(groups));
  }
  return groups.map((group) => topSets(prepared!.top!, group));
}

/** Two pieces of a tensor for the values of all experts. */
function pieces(name: string, experts: readonly Float32Array[], middle: number): Group[] {
  const count = experts[0]!.length;
  const halves = middle === 0 ? [1] : middle === count ? [0] : [0, 1];
  return halves.map((half) => {
    const own = experts.map((x) => (half === 0 ? x.subarray(0, middle) : x.subarray(middle)));
    const group = groupOf(name, new Float32Array(own[0]!.length), own, [count]);
    return { ...group, offset: half * middle };
  });
}

const bits = fc.integer({ min: 0, max: 0xffffffff }).filter((b) => (b & 0x7f800000) !== 0x7f800000);
const special = fc.constantFrom(0, 0x80000000, 1, 0x80000001, 0x7f7fffff, 0x3f800000, 0x3f800001);
const values = fc
  .array(fc.oneof(bits, special), { minLength: 1, maxLength: 40 })
  .map((patterns) => new Float32Array(Uint32Array.from(patterns).buffer));

test('over the model the least of a set agrees with sorting, on arbitrary bit patterns', () => {
  fc.assert(
    fc.property(values, fc.nat(), (all, seed) => {
      const size = 1 + (seed % all.length);
      const middle = seed % (all.length + 1);
      const found = select(pieces('', [all, all.slice().reverse()], middle), {
        scope: 'model',
        sizes: () => [size],
      });
      const expected = all.map(Math.abs).sort().reverse()[size - 1];
      for (const lists of found) {
        for (const [top] of lists) {
          expect(numberOfKey(top!.key)).toBe(expected);
          expect(top!.cutoff).toBe(Infinity);
        }
      }
    }),
    { numRuns: 100, seed: 1 },
  );
});

test('within tensors exact sets have their size, and lower indices win among equals', () => {
  const few = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(few, few, fc.nat(), (first, second, seed) => {
      const tensors = [Float32Array.from(first), Float32Array.from(second)];
      const share = (seed % 8) / 7;
      const groups = tensors.flatMap((x, t) => pieces(`${t}`, [x], Math.min(seed % 5, x.length)));
      const found = select(groups, {
        scope: 'tensor',
        exact: true,
        sizes: (_, count) => [Math.floor(count * share)],
      });
      tensors.forEach((x, t) => {
        const order = [...x.keys()].sort((a, b) => Math.abs(x[b]!) - Math.abs(x[a]!) || a - b);
        const expected = order.slice(0, Math.floor(x.length * share)).sort((a, b) => a - b);
        const at = groups.findIndex(({ name }) => name === `${t}`);
        const { key, cutoff } = found[at]![0]![0]!;
        const least = Number.isNaN(numberOfKey(key)) ? Infinity : numberOfKey(key);
        const inside = [...x.keys()].filter((i) => {
          const size = Math.abs(x[i]!);
          return size > least || (size === least && i < cutoff);
        });
        expect(inside).toEqual(expected);
      });
    }),
    { numRuns: 60, seed: 1 },
  );
});

test('works across the borders of blocks, with several sets, and tells how many are zero', () => {
  const ascending = Float32Array.from({ length: 5000 }, (_, i) => (i % 2 === 0 ? i : -i));
  const ranks = [1, 2047, 2048, 2049, 4096, 5000];
  const [lists] = select([groupOf('', new Float32Array(5000), [ascending])], {
    scope: 'tensor',
    sizes(_, count, { zeros }) {
      expect([count, zeros]).toEqual([5000, 1]);
      return ranks;
    },
  });
  expect(lists![0]!.map(({ key }) => numberOfKey(key))).toEqual(ranks.map((rank) => 5000 - rank));
});

test('a size past the number of values is a bug of the caller', () => {
  const group = groupOf('', new Float32Array(1), [Float32Array.of(1)]);
  expect(() => select([group], { scope: 'model', sizes: () => [2] })).toThrow(RangeError);
});
