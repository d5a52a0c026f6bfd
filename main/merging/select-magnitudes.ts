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
const MAGNITUDE = 0x7fffffff;

/** For each expert the rank-th smallest magnitude; the smallest has rank 1. */
export async function selectMagnitudes(
  source: GroupSource,
  rank: number,
): Promise<readonly number[]> {
  const experts = Array.from({ length: source.expertCount }, (_, expert) => expert);

  // fp64 counters: a count above 2^32 must not wrap.
  const high = experts.map(() => new Float64Array(HIGH_COUNT));
  await forEachBlockOfBits(source, (expert, bits, count) => countHigh(bits, count, high[expert]!));
  const bins = high.map((counts) => findRank(counts, rank));

  const low = experts.map(() => new Float64Array(LOW_COUNT));
  await forEachBlockOfBits(source, (expert, bits, count) =>
    countLow(bits, count, bins[expert]!.bin, low[expert]!),
  );
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

// The loops over all values are functions of their own, which a compiler can keep in registers.

function countHigh(bits: Int32Array, count: number, counts: Float64Array): void {
  for (let i = 0; i < count; i++) counts[(bits[i]! & MAGNITUDE) >>> LOW_BITS]! += 1;
}

function countLow(bits: Int32Array, count: number, high: number, counts: Float64Array): void {
  for (let i = 0; i < count; i++) {
    const pattern = bits[i]! & MAGNITUDE;
    if (pattern >>> LOW_BITS === high) counts[pattern & (LOW_COUNT - 1)]! += 1;
  }
}

function subtract(
  target: Float32Array,
  left: Float32Array,
  right: Float32Array,
  begin: number,
  end: number,
): void {
  for (let i = begin, at = 0; i < end; i++, at++) target[at] = left[i]! - right[i]!;
}

/** Hands out the bit patterns of θk − θ0, rounded to fp32, block by block. */
async function forEachBlockOfBits(
  source: GroupSource,
  visit: (expert: number, bits: Int32Array, count: number) => void,
): Promise<void> {
  const differences = new Float32Array(BLOCK);
  const bits = new Int32Array(differences.buffer);
  for await (const { base, experts } of source.groups()) {
    for (const [k, expert] of experts.entries()) {
      forEachBlock(base.length, (begin, end) => {
        subtract(differences, expert, base, begin, end);
        visit(k, bits, end - begin);
      });
    }
  }
}
