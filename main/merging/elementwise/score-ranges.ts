/**
 * What PCB-Merging must know of a whole model: the magnitudes near both ends of each task vector, and of its scores the
 * one of a rank and the greatest, all of them exactly. A first pass finds the magnitudes, and guesses from a
 * sample between which keys the score of the rank lies. Another computes the scores of the estimates that may lie there
 * and counts those above. Only where the guess was wrong, or the scores lie too wide apart to count each of their
 * keys, more such passes are made, between keys that are known to be right.
 */
import { ScoreKernel, keysOf, SCORE_BLOCK, sieveOf, type Range } from '../kernels/score-kernel.ts';
import { NO_KEY, TAIL_BLOCK, TailKernel } from '../kernels/tail-kernel.ts';
import { definePass, type Group, type Pass } from '../method.ts';
import { addCounts, numberOfKey } from '../select-counts.ts';
import {
  addKey,
  greatestKeys,
  greatestKeysBytes,
  lastOf,
  moveGreatest,
  type GreatestKeys,
} from './greatest-keys.ts';
import {
  addSample,
  addToSample,
  emptySample,
  groupOf,
  sampleBytes,
  type ValueSample,
} from './value-sample.ts';

/** In the order of the experts. */
export interface ScoreRanges {
  /** Magnitudes. */
  readonly clamps: readonly Range[];
  /** Keys between which the scores of the rank lie, perhaps. */
  readonly brackets: readonly Range[];
  /** From the score of the rank to the greatest; undefined as long as one is not known. */
  readonly limits?: readonly Range[];
}

/** Ranks count from the greatest, which has rank 1. */
interface Ranks {
  /** Of the magnitudes to be found, `least` from the least one. */
  readonly tails: (valueCount: number) => Range;
  readonly score: (valueCount: number) => number;
}

/** The passes after which all is known. */
export function rangePasses(ranks: Ranks): readonly Pass<ScoreRanges>[] {
  // A wrong guess leaves up to 2^32 keys, of which the second pass leaves 2^13.
  return [surveyPass(ranks), scorePass(ranks), scorePass(ranks), scorePass(ranks)];
}

interface Survey {
  /** Of each expert; of the least magnitudes what they are short of `MOST`. */
  readonly least: readonly GreatestKeys[];
  readonly greatest: readonly GreatestKeys[];
  readonly sample: ValueSample;
}

const MOST = NO_KEY - 1;

function surveyPass({ tails, score }: Ranks): Pass<ScoreRanges> {
  return definePass<ScoreRanges, Survey>({
    orderFree: true,
    tallyBytes(totals) {
      const { least, greatest } = tails(totals.valueCount);
      const keys = greatestKeysBytes(least) + greatestKeysBytes(greatest);
      return totals.expertCount * keys + sampleBytes(totals);
    },
    begin(totals) {
      const { least, greatest } = tails(totals.valueCount);
      const ofExperts = (wanted: number) =>
        Array.from({ length: totals.expertCount }, () => greatestKeys(wanted));
      return {
        least: ofExperts(least),
        greatest: ofExperts(greatest),
        sample: emptySample(totals),
      };
    },
    add({ least, greatest, sample }, group) {
      const { base, experts } = group;
      tailKernel ??= new TailKernel();
      for (let begin = 0; begin < base.length; begin += TAIL_BLOCK) {
        const end = begin + TAIL_BLOCK;
        tailKernel.load(base.subarray(begin, end));
        for (const [k, expert] of experts.entries()) {
          addTails(tailKernel, expert.subarray(begin, end), least[k]!, greatest[k]!);
        }
      }
      addToSample(sample, group);
    },
    combine(into, later) {
      for (const tail of ['least', 'greatest'] as const) {
        for (const [k, own] of into[tail].entries()) {
          const { keys, count } = later[tail][k]!;
          for (const key of keys.subarray(0, count)) addKey(own, key);
        }
      }
      addSample(into.sample, later.sample);
    },
    finish({ least, greatest, sample }, _prepared, { valueCount }) {
      const clamps = least.map((tail, k) => ({
        least: numberOfKey(MOST - lastOf(tail)),
        greatest: numberOfKey(lastOf(greatest[k]!)),
      }));
      return { clamps, brackets: guess(sample, clamps, score(valueCount) / valueCount) };
    },
  });
}

/** Few lie outside of what is known to be no tail. */
function addTails(
  kernel: TailKernel,
  expert: Float32Array,
  least: GreatestKeys,
  greatest: GreatestKeys,
): void {
  const [from, to] = [MOST - least.bound, greatest.bound];
  const known = from <= to;
  for (const key of kernel.outside(expert, known ? from : NO_KEY, known ? to : NO_KEY)) {
    if (key < from) addKey(least, MOST - key);
    if (key > to) addKey(greatest, key);
  }
}

/** How far from its place in the sample a rank is looked for, in standard deviations of that place. */
const DEVIATIONS = 3.5;
/** Keys that are counted one by one, at most. */
const TABLE = 2 ** 19;

/** Between which keys, perhaps, the score lies that is reached by such a share of all scores. */
function guess(sample: ValueSample, clamps: readonly Range[], share: number): Range[] {
  const { count } = sample;
  const margin = DEVIATIONS * Math.sqrt(count * share * (1 - share));
  const rankOf = (place: number) => Math.min(Math.max(Math.round(place), 1), count);
  const ranks = [margin, 0, -margin].map((off) => rankOf(count * share + off));
  return scoreKeys(groupOf(sample), clamps).map((keys) => {
    // Each rank lies among the keys that the one before has moved to the front.
    const [least, middle, greatest] = ranks.map((rank, at) =>
      moveGreatest(keys.subarray(0, ranks[at - 1] ?? count), rank),
    ) as [number, number, number];
    // A little too wide is worth the risk; much too wide takes another pass anyway.
    if (greatest - least >= 2 * TABLE) return { least, greatest };
    return {
      least: Math.max(least, middle - TABLE / 2),
      greatest: Math.min(greatest, middle + TABLE / 2 - 1),
    };
  });
}

function scoreKeys(group: Values, clamps: readonly Range[]): readonly Int32Array[] {
  const keys = clamps.map(() => new Int32Array(group.base.length));
  forEachScoreBlock(group, (kernel, begin, end) => {
    const places = Int32Array.from({ length: end - begin }, (_, place) => place);
    for (const [k, range] of clamps.entries()) {
      keys[k]!.set(keysOf(kernel.scores(k, range, places)), begin);
    }
  });
  return keys;
}

/** Of one expert. */
interface ScoreTally {
  /** Scores above the bracket. */
  above: number;
  /** The greatest key of all. */
  best: number;
  /** Of the keys of the bracket, each as many as `2 ** shift`. */
  readonly counts: Float64Array;
  readonly shift: number;
}

const LEAST_KEY = -0x80000000;
const GREATEST_KEY = 0x7fffffff;

function emptyTally({ least, greatest }: Range): ScoreTally {
  const width = greatest - least + 1;
  const shift = Math.max(Math.ceil(Math.log2(width / TABLE)), 0);
  const counts = new Float64Array(Math.ceil(width / 2 ** shift));
  return { above: 0, best: LEAST_KEY, counts, shift };
}

function scorePass({ score }: Ranks): Pass<ScoreRanges> {
  return definePass<ScoreRanges, ScoreTally[]>({
    orderFree: true,
    tallyBytes: ({ expertCount }) => 8 * TABLE * expertCount,
    needless: ({ limits }) => limits !== undefined,
    begin: (_totals, prepared) => prepared!.brackets.map(emptyTally),
    add(tally, group, _parameters, { prepared: { clamps, brackets } }) {
      const sieves = brackets.map((bracket, k) => sieveOf(bracket, tally[k]!.best));
      forEachScoreBlock(group, (kernel) => {
        for (const [k, range] of clamps.entries()) {
          const own = tally[k]!;
          const { places, above } = kernel.sift(k, range, sieves[k]!);
          own.above += above;
          if (places.length === 0) continue;
          const { best } = own;
          addScores(own, keysOf(kernel.scores(k, range, places)), brackets[k]!);
          if (own.best > best) sieves[k] = sieveOf(brackets[k]!, own.best);
        }
      });
    },
    combine(into, later) {
      for (const [k, own] of into.entries()) {
        const { above, best, counts } = later[k]!;
        own.above += above;
        own.best = Math.max(own.best, best);
        addCounts(own.counts, counts);
      }
    },
    finish(tally, prepared, { valueCount }) {
      const { clamps, brackets } = prepared!;
      const narrowed = brackets.map((bracket, k) => narrow(bracket, tally[k]!, score(valueCount)));
      if (narrowed.some(({ least, greatest }) => greatest > least)) {
        return { clamps, brackets: narrowed };
      }
      const limits = narrowed.map(({ least }, k) => ({
        least: numberOfKey(least),
        greatest: numberOfKey(tally[k]!.best),
      }));
      return { clamps, brackets: narrowed, limits };
    },
  });
}

function addScores(tally: ScoreTally, keys: Int32Array, { least, greatest }: Range): void {
  const { counts, shift } = tally;
  for (const key of keys) {
    if (key > tally.best) tally.best = key;
    if (key > greatest) tally.above += 1;
    else if (key >= least) counts[(key - least) >>> shift]! += 1;
  }
}

/** Between which keys of a bracket, or beside it, the score of the rank lies. */
function narrow(
  { least, greatest }: Range,
  { above, counts, shift }: ScoreTally,
  rank: number,
): Range {
  if (rank <= above) return { least: greatest + 1, greatest: GREATEST_KEY };
  let rest = rank - above;
  for (let bin = counts.length - 1; bin >= 0; bin--) {
    rest -= counts[bin]!;
    if (rest > 0) continue;
    const from = least + bin * 2 ** shift;
    return { least: from, greatest: Math.min(from + 2 ** shift - 1, greatest) };
  }
  return { least: LEAST_KEY, greatest: least - 1 };
}

type Values = Pick<Group, 'base' | 'experts'>;

/** One of each for a thread: their memory is made anew for every block. */
let tailKernel: TailKernel | undefined;
let scoreKernel: { readonly experts: number; readonly kernel: ScoreKernel } | undefined;

/** Visits the values of all models block by block. */
export function forEachScoreBlock(
  group: Values,
  visit: (kernel: ScoreKernel, begin: number, end: number) => void,
): void {
  const { base, experts } = group;
  if (scoreKernel?.experts !== experts.length) {
    scoreKernel = { experts: experts.length, kernel: new ScoreKernel(experts.length) };
  }
  for (let begin = 0; begin < base.length; begin += SCORE_BLOCK) {
    const end = Math.min(begin + SCORE_BLOCK, base.length);
    scoreKernel.kernel.load(group, begin, end);
    visit(scoreKernel.kernel, begin, end);
  }
}
