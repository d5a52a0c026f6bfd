import fc from 'fast-check';
import { expect, test } from 'vitest';
import { linearAlgebra } from '../../../main/merging/linear-algebra.ts';
import { selectionPasses, type Selection } from '../../../main/merging/select-magnitudes.ts';
import { groupOf, sourceOf } from './in-memory.ts';

/** Over tensors, each given as the values of all experts. */
function selectMagnitudes(
  tensors: readonly (readonly Float32Array[])[],
  rank: number,
): readonly number[] | undefined {
  const groups = tensors.map((experts) =>
    groupOf('', new Float32Array(experts[0]?.length ?? 0), experts),
  );
  let prepared: Selection | undefined;
  for (const pass of selectionPasses(() => rank)) {
    const total = pass.begin(sourceOf(groups));
    for (const group of groups) {
      const tally = pass.begin(sourceOf(groups));
      const context = { settings: [], seed: 1, linear: linearAlgebra, prepared: prepared ?? {} };
      pass.add(tally, group, {}, context);
      pass.combine(total, tally);
    }
    prepared = pass.finish(total, prepared, sourceOf(groups));
  }
  return prepared?.magnitudes;
}

const bits = fc.integer({ min: 0, max: 0xffffffff }).filter((b) => (b & 0x7f800000) !== 0x7f800000);
const special = fc.constantFrom(0, 0x80000000, 1, 0x80000001, 0x7f7fffff, 0x3f800000, 0x3f800001);
const values = fc
  .array(fc.oneof(bits, special), { minLength: 1, maxLength: 40 })
  .map((patterns) => new Float32Array(Uint32Array.from(patterns).buffer));

test('agrees with sorting, for every rank, on arbitrary bit patterns', () => {
  fc.assert(
    fc.property(values, fc.nat(), (all, seed) => {
      const rank = 1 + (seed % all.length);
      const middle = seed % (all.length + 1);
      const reversed = all.slice().reverse();
      const tensors = [
        [all.subarray(0, middle), reversed.subarray(0, middle)],
        [all.subarray(middle), reversed.subarray(middle)],
      ];
      const sorted = all.map(Math.abs).sort();
      const expected = sorted[rank - 1];
      expect(selectMagnitudes(tensors, rank)).toEqual([expected, expected]);
    }),
    { numRuns: 150, seed: 1 },
  );
});

test('works across the borders of blocks', () => {
  const ascending = Float32Array.from({ length: 5000 }, (_, i) => (i % 2 === 0 ? i : -i));
  for (const rank of [1, 2047, 2048, 2049, 4096, 5000]) {
    expect(selectMagnitudes([[ascending]], rank)).toEqual([rank - 1]);
  }
});

test('a rank past the last value is a bug of the caller', () => {
  expect(() => selectMagnitudes([[Float32Array.of(1)]], 2)).toThrow(RangeError);
});
