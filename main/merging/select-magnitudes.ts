/**
 * Exact selection of the rank-th smallest |θk − θ0| over all tensors, for all experts at once, in two
 * passes and without sorting: the bit patterns of non-negative fp32 numbers are ordered as the numbers
 * are, so the upper bits are counted first, then the lower bits of those that share the upper ones.
 */
import { BLOCK, forEachBlock } from './blocks.ts';
import { definePass, type Group, type MergeTotals, type Pass } from './method.ts';

const LOW_BITS = 15;
const LOW_COUNT = 2 ** LOW_BITS;
const HIGH_COUNT = 2 ** (31 - LOW_BITS);
const MAGNITUDE = 0x7fffffff;

/** Per expert, how many values have each pattern of bits; fp64, for a count above 2^32 must not wrap. */
type Counts = readonly Float64Array[];

export interface Selection {
  /** Per expert the bin of upper bits that holds the wanted value, and its rank in that bin. */
  readonly bins?: readonly { readonly bin: number; readonly rest: number }[];
  /** Per expert the wanted magnitude. */
  readonly magnitudes?: readonly number[];
}

/**
 * The passes after which `prepared` holds, for each expert, the magnitude of the rank that `rankOf` asks
 * for; the smallest has rank 1.
 */
export function selectionPasses(
  rankOf: (totals: MergeTotals) => number,
): readonly Pass<Selection>[] {
  return [
    definePass<Selection, Counts>({
      orderFree: true,
      begin: ({ expertCount }) => emptyCounts(expertCount, HIGH_COUNT),
      add(counts, group) {
        forEachBlockOfBits(group, (expert, bits, count) => {
          countHigh(bits, count, counts[expert]!);
        });
      },
      combine: addCounts,
      finish: (counts, prepared, totals) => ({
        ...prepared,
        bins: counts.map((each) => findRank(each, rankOf(totals))),
      }),
    }),
    definePass<Selection, Counts>({
      orderFree: true,
      begin: ({ expertCount }) => emptyCounts(expertCount, LOW_COUNT),
      add(counts, group, _parameters, { prepared }) {
        forEachBlockOfBits(group, (expert, bits, count) => {
          countLow(bits, count, prepared.bins![expert]!.bin, counts[expert]!);
        });
      },
      combine: addCounts,
      finish: (counts, prepared) => ({
        ...prepared,
        magnitudes: prepared!.bins!.map(({ bin, rest }, expert) => {
          const pattern = (bin << LOW_BITS) | findRank(counts[expert]!, rest).bin;
          return new Float32Array(Uint32Array.of(pattern).buffer)[0]!;
        }),
      }),
    }),
  ];
}

function emptyCounts(expertCount: number, bins: number): Counts {
  return Array.from({ length: expertCount }, () => new Float64Array(bins));
}

function addCounts(into: Counts, later: Counts): void {
  for (const [expert, counts] of into.entries()) {
    const more = later[expert]!;
    for (let bin = 0; bin < counts.length; bin++) counts[bin]! += more[bin]!;
  }
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
function forEachBlockOfBits(
  { base, experts }: Group,
  visit: (expert: number, bits: Int32Array, count: number) => void,
): void {
  const differences = new Float32Array(BLOCK);
  const bits = new Int32Array(differences.buffer);
  for (const [k, expert] of experts.entries()) {
    forEachBlock(base.length, (begin, end) => {
      subtract(differences, expert, base, begin, end);
      visit(k, bits, end - begin);
    });
  }
}
