import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { GroupSource } from '../../../main/merging/method.ts';
import { SELECTION_PASSES, selectMagnitudes } from '../../../main/merging/select-magnitudes.ts';

function sourceOf(tensors: readonly Float32Array[][]): GroupSource & { readonly passes: number[] } {
  const passes: number[] = [];
  return {
    passes,
    expertCount: tensors[0]?.length ?? 0,
    valueCount: tensors.reduce((sum, experts) => sum + (experts[0]?.length ?? 0), 0),
    async *groups() {
      passes.push(1);
      for (const experts of tensors) {
        yield { name: '', base: new Float32Array(experts[0]?.length ?? 0), experts };
      }
    },
  };
}

const bits = fc.integer({ min: 0, max: 0xffffffff }).filter((b) => (b & 0x7f800000) !== 0x7f800000);
const special = fc.constantFrom(0, 0x80000000, 1, 0x80000001, 0x7f7fffff, 0x3f800000, 0x3f800001);
const values = fc
  .array(fc.oneof(bits, special), { minLength: 1, maxLength: 40 })
  .map((patterns) => new Float32Array(Uint32Array.from(patterns).buffer));

test('agrees with sorting, for every rank, on arbitrary bit patterns', async () => {
  await fc.assert(
    fc.asyncProperty(values, fc.nat(), async (all, seed) => {
      const rank = 1 + (seed % all.length);
      const middle = seed % (all.length + 1);
      const reversed = all.slice().reverse();
      const source = sourceOf([
        [all.subarray(0, middle), reversed.subarray(0, middle)],
        [all.subarray(middle), reversed.subarray(middle)],
      ]);
      const sorted = all.map(Math.abs).sort();
      const expected = sorted[rank - 1];
      expect(await selectMagnitudes(source, rank)).toEqual([expected, expected]);
      expect(source.passes).toHaveLength(SELECTION_PASSES);
    }),
    { numRuns: 150, seed: 1 },
  );
});

test('works across the borders of blocks', async () => {
  const ascending = Float32Array.from({ length: 5000 }, (_, i) => (i % 2 === 0 ? i : -i));
  for (const rank of [1, 2047, 2048, 2049, 4096, 5000]) {
    expect(await selectMagnitudes(sourceOf([[ascending]]), rank)).toEqual([rank - 1]);
  }
});

test('a rank past the last value is a bug of the caller', async () => {
  await expect(selectMagnitudes(sourceOf([[Float32Array.of(1)]]), 2)).rejects.toThrow(RangeError);
});
