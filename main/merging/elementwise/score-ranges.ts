/**
 * The scores of given ranks over a whole model, exactly, by two passes that know most scores only nearly. The first
 * counts estimates by the upper bits of their keys: the score of a rank lies at most `MOST_OFF` keys, which is less than
 * half a bin, outside the bin that holds the estimate of that rank. The second computes the scores whose estimates lie
 * in that bin or next to it; all others are known to lie above or below.
 */
import { KEY_BLOCK, LOW_BITS } from '../kernels/key-kernel.ts';
import { MOST_OFF } from '../kernels/score-estimate.ts';
import { keysOf, ScoreKernel, type Range } from '../kernels/score-kernel.ts';
import { definePass, type Group } from '../method.ts';
import {
  addCounts,
  emptyHigh,
  findFromAbove,
  leastKey,
  numberOfKey,
  type Counts,
} from '../select-counts.ts';

/** Where the score of a rank lies, in keys. */
interface Bracket {
  readonly least: number;
  readonly greatest: number;
  /** Of the estimates in its bin and the two beside it. */
  readonly estimates: Range;
  /** Among the scores of those, counted from the greatest, which has rank 1. */
  readonly rank: number;
}

/** What the passes find, in the order of the experts. */
export interface FoundScores {
  readonly brackets?: readonly (readonly Bracket[])[];
  /** The scores of the ranks asked for. */
  readonly scores?: readonly (readonly number[])[];
}

/** The ranges of the magnitudes of all experts, which the scores depend on. */
type ClampsOf<Prepared> = (prepared: Prepared) => readonly Range[];

/** Keys of a bin. */
const BIN = 2 ** LOW_BITS;

/** Counts estimates and finds out where the scores of `ranks` lie; the greatest has rank 1. */
export function bracketPass<Prepared extends FoundScores>(
  clampsOf: ClampsOf<Prepared>,
  ranks: (valueCount: number) => readonly number[],
) {
  return definePass<Prepared, Counts[]>({
    orderFree: true,
    begin: ({ expertCount }) => Array.from({ length: expertCount }, () => emptyHigh(true)),
    add(tally, group, _parameters, { prepared }) {
      const counting = forEachEstimated(group, clampsOf(prepared), (kernel, expert) => {
        kernel.keys.count(expert);
      });
      for (const [expert, counts] of tally.entries()) counting.keys.takeCounts(counts, expert);
    },
    combine(into, later) {
      for (const [expert, counts] of into.entries()) addCounts(counts, later[expert]!);
    },
    finish: (tally, prepared, { valueCount }) => ({
      ...prepared!,
      brackets: tally.map((counts) => ranks(valueCount).map((rank) => bracketOf(counts, rank))),
    }),
  });
}

function bracketOf(counts: Counts, wanted: number): Bracket {
  const { bin, rest } = findFromAbove(counts, wanted);
  const key = leastKey(bin);
  return {
    least: key - MOST_OFF,
    greatest: key + BIN - 1 + MOST_OFF,
    estimates: { least: key - BIN, greatest: key + 2 * BIN - 1 },
    // Those of the bin above are among them.
    rank: rest + (counts[(key + BIN) >>> LOW_BITS] ?? 0),
  };
}

/** How many of the scores of a bracket's estimates lie above it, and how often each key in it occurs. */
interface BracketTally {
  above: number;
  readonly counts: Float64Array;
}

/** Finds the scores of the ranks. */
export function scorePass<Prepared extends FoundScores>(
  clampsOf: ClampsOf<Prepared>,
  rankCount: number,
) {
  return definePass<Prepared, BracketTally[][]>({
    orderFree: true,
    begin: ({ expertCount }) =>
      Array.from({ length: expertCount }, () =>
        Array.from({ length: rankCount }, () => ({
          above: 0,
          counts: new Float64Array(BIN + 2 * MOST_OFF),
        })),
      ),
    add(tally, group, _parameters, { prepared }) {
      const clamps = clampsOf(prepared);
      const brackets = prepared.brackets!;
      forEachEstimated(group, clamps, (kernel, expert) => {
        for (const [index, bracket] of brackets[expert]!.entries()) {
          const { least, greatest } = bracket.estimates;
          const places = kernel.keys.find(least, greatest);
          if (places.length === 0) continue;
          const keys = keysOf(kernel.scores(expert, clamps[expert]!, places));
          countInside(tally[expert]![index]!, keys, bracket);
        }
      });
    },
    combine(into, later) {
      for (const [expert, tallies] of into.entries()) {
        for (const [index, own] of tallies.entries()) {
          const other = later[expert]![index]!;
          own.above += other.above;
          addCounts(own.counts, other.counts);
        }
      }
    },
    finish: (tally, prepared) => ({
      ...prepared!,
      scores: tally.map((tallies, expert) =>
        tallies.map(({ above, counts }, index) => {
          const { least, rank } = prepared!.brackets![expert]![index]!;
          return numberOfKey(least + findLast(counts, rank - above));
        }),
      ),
    }),
  });
}

function countInside(tally: BracketTally, keys: Int32Array, { least, greatest }: Bracket): void {
  for (const key of keys) {
    if (key > greatest) tally.above += 1;
    else if (key >= least) tally.counts[key - least]! += 1;
  }
}

function findLast(counts: Float64Array, rank: number): number {
  let rest = rank;
  for (let index = counts.length - 1; index >= 0; index--) {
    rest -= counts[index]!;
    if (rest <= 0) return index;
  }
  throw new RangeError(`rank ${rank} is past the last of the scores`);
}

let shared: { readonly experts: number; readonly kernel: ScoreKernel } | undefined;

/** One for a thread: its memory is made anew for every block. */
function kernelOf(experts: number): ScoreKernel {
  if (shared?.experts !== experts) shared = { experts, kernel: new ScoreKernel(experts) };
  return shared.kernel;
}

/** Visits the estimates of all experts, block by block; `done` follows the last expert of a block. */
export function forEachEstimated(
  group: Pick<Group, 'base' | 'experts'>,
  clamps: readonly Range[],
  visit: (kernel: ScoreKernel, expert: number) => void,
  done?: (begin: number, end: number) => void,
): ScoreKernel {
  const kernel = kernelOf(group.experts.length);
  for (let begin = 0; begin < group.base.length; begin += KEY_BLOCK) {
    const end = Math.min(begin + KEY_BLOCK, group.base.length);
    kernel.load(group, begin, end);
    for (const [expert, range] of clamps.entries()) {
      kernel.estimate(expert, range);
      visit(kernel, expert);
    }
    done?.(begin, end);
  }
  return kernel;
}
