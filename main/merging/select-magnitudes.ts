/**
 * Exact selection of the rank-th smallest |θk − θ0| over all tensors, for all experts at once, in two
 * passes and without sorting: the bit patterns of non-negative fp32 numbers are ordered as the numbers
 * are, so the upper bits are counted first, then the lower bits of those that share the upper ones.
 */
import { BLOCK, forEachBlock } from './blocks.ts';
import type { GroupSource } from './method.ts';

/** How often `selectMagnitudes` reads all groups. */
export const SELECTION_PASSES = 2;

const LOW_BITS = 15;
const LOW_COUNT = 2 ** LOW_BITS;
const HIGH_COUNT = 2 ** (31 - LOW_BITS);

/** For each expert the rank-th smallest magnitude; the smallest has rank 1. */
export async function selectMagnitudes(
  source: GroupSource,
  rank: number,
): Promise<readonly number[]> {
  const forEachExpert = <T>(make: (expert: number) => T) =>
    Array.from({ length: source.expertCount }, (_, expert) => make(expert));

  // fp64 counters: a count above 2^32 must not wrap.
  const high = forEachExpert(() => new Float64Array(HIGH_COUNT));
  await forEachMagnitude(source, (expert, bits, count) => {
    const counts = high[expert]!;
    for (let i = 0; i < count; i++) counts[(bits[i]! & 0x7fffffff) >>> LOW_BITS]! += 1;
  });
  const bins = high.map((counts) => findRank(counts, rank));

  const low = forEachExpert(() => new Float64Array(LOW_COUNT));
  await forEachMagnitude(source, (expert, bits, count) => {
    const counts = low[expert]!;
    const wanted = bins[expert]!.bin;
    for (let i = 0; i < count; i++) {
      const pattern = bits[i]! & 0x7fffffff;
      if (pattern >>> LOW_BITS === wanted) counts[pattern & (LOW_COUNT - 1)]! += 1;
    }
  });
  return bins.map(({ bin, rest }, expert) => {
    const pattern = (bin << LOW_BITS) | findRank(low[expert]!, rest).bin;
    return new Float32Array(Uint32Array.of(pattern).buffer)[0]!;
  });
}

/** The bin that holds the rank-th item, and the item's rank within that bin. */
function findRank(counts: Float64Array, rank: number): { bin: number; rest: number } {
  let rest = rank;
  for (let bin = 0; bin < counts.length; bin++) {
    if (rest <= counts[bin]!) return { bin, rest };
    rest -= counts[bin]!;
  }
  throw new RangeError(`rank ${rank} is past the last of the values`);
}

/** Hands out the bit patterns of θk − θ0, rounded to fp32, in blocks; the sign bit is to be ignored. */
async function forEachMagnitude(
  source: GroupSource,
  visit: (expert: number, bits: Uint32Array, count: number) => void,
): Promise<void> {
  const differences = new Float32Array(BLOCK);
  const bits = new Uint32Array(differences.buffer);
  for await (const { base, experts } of source.groups()) {
    for (const [k, expert] of experts.entries()) {
      forEachBlock(base.length, (begin, end) => {
        for (let i = begin; i < end; i++) differences[i - begin] = expert[i]! - base[i]!;
        visit(k, bits, end - begin);
      });
    }
  }
}
