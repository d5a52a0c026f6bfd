/**
 * θ0 + λ × what becomes of the task vectors θk − θ0: each is thinned out, then they are summed, or merged
 * where they agree in sign. All sparsifying methods are this with another way to thin out.
 */
import { BLOCK, rowLength } from '../blocks.ts';
import type { Group } from '../method.ts';
import { addScaledDifference, addWeighted, subtract, writeChanged } from './arithmetic.ts';
import { SignElection, type ElectionRules } from './sign-election.ts';
import {
  balanceOf,
  canElect,
  canVectorise,
  mergeMasked,
  mergeThinned,
  type Masking,
} from './vector-merge.ts';

/**
 * Sets the values of expert `expert` that are dropped to zero and may rescale the others: `values`
 * holds those from `begin` to `end` of the group.
 */
export type Sparsify = (values: Float64Array, expert: number, begin: number, end: number) => void;

export interface TaskVectorMerge {
  readonly weights: readonly number[];
  readonly lambda: number;
  readonly sparsify?: Sparsify | undefined;
  /** The same as data, where it can be said so; both may be left out where nothing is dropped. */
  readonly masking?: Masking | undefined;
  /** Whether `sparsify` must see whole rows. */
  readonly wholeRows?: boolean | undefined;
  /** Without rules the values are summed, and divided by `divisor`. */
  readonly election?: ElectionRules | undefined;
  readonly divisor?: number;
}

export function mergeTaskVectors(group: Group, merge: TaskVectorMerge): Float32Array {
  const masking = maskingOf(merge);
  const factor = merge.lambda / (merge.election ? 2 : 1);
  const divisor = merge.divisor ?? 1;
  if (masking !== undefined && canVectorise(group)) {
    return mergeMasked(group, { ...merge, masking }, factor, divisor);
  }
  if (!canElect(group)) return mergeByLoops(group, merge);
  const length = blockLength(group, merge);
  const thinned = thinnedChanges(group, merge, length);
  return mergeThinned(group, merge, factor, divisor, length, thinned);
}

/** What is left of the task vectors of all experts, block by block; the lists are used again. */
function thinnedChanges(
  { base, experts }: Group,
  { sparsify }: Pick<TaskVectorMerge, 'sparsify'>,
  length: number,
): (begin: number, end: number) => readonly Float64Array[] {
  const all = experts.map(() => new Float64Array(Math.min(length, base.length)));
  return (begin, end) =>
    all.map((values, k) => {
      subtract(values, experts[k]!, base, begin, end);
      sparsify?.(values, k, begin, end);
      return values;
    });
}

/** The definition, value by value. */
export function mergeByLoops(group: Group, merge: TaskVectorMerge): Float32Array {
  return merge.election === undefined
    ? sumTaskVectors(group, merge)
    : electTaskVectors(group, merge, merge.election);
}

function maskingOf({ sparsify, masking }: TaskVectorMerge): Masking | undefined {
  return sparsify === undefined ? {} : masking;
}

/** Positions that rise less those that fall, by the votes. */
export function electionBalance(
  group: Group,
  merge: Pick<TaskVectorMerge, 'weights' | 'sparsify' | 'masking'>,
  rules: ElectionRules,
): number {
  const masking = maskingOf({ ...merge, lambda: 1 });
  if (masking !== undefined && canVectorise(group)) {
    return balanceOf(group, { weights: merge.weights, masking, election: rules });
  }
  return balanceByLoops(group, merge, rules);
}

export function balanceByLoops(
  group: Group,
  merge: Pick<TaskVectorMerge, 'weights' | 'sparsify'>,
  rules: ElectionRules,
): number {
  let balance = 0;
  forEachElection(group, merge, { ...rules, merge: 'sum' }, (votes, begin, end) => {
    balance += votes.balance(end - begin);
  });
  return balance;
}

function sumTaskVectors(group: Group, merge: TaskVectorMerge): Float32Array {
  const { weights, lambda, sparsify, divisor = 1 } = merge;
  const merged = new Float32Array(group.base.length);
  const length = blockLength(group, merge);
  const values = new Float64Array(length);
  const sum = new Float64Array(length);
  for (let begin = 0; begin < merged.length; begin += length) {
    const end = Math.min(begin + length, merged.length);
    sum.fill(0);
    for (const [k, expert] of group.experts.entries()) {
      if (sparsify === undefined) {
        addScaledDifference(sum, expert, group.base, weights[k]!, begin, end);
      } else {
        subtract(values, expert, group.base, begin, end);
        sparsify(values, k, begin, end);
        addWeighted(sum, values, weights[k]!, end - begin);
      }
    }
    writeChanged(merged, group.base, sum, lambda, divisor, begin, end);
  }
  return merged;
}

function electTaskVectors(
  group: Group,
  merge: TaskVectorMerge,
  rules: ElectionRules,
): Float32Array {
  const merged = new Float32Array(group.base.length);
  forEachElection(group, merge, rules, (election, begin, end) => {
    election.write(merged, group, merge.lambda, begin, end - begin);
  });
  return merged;
}

/** Hands out the votes, block by block. */
function forEachElection(
  group: Group,
  merge: Pick<TaskVectorMerge, 'weights' | 'sparsify' | 'wholeRows'>,
  rules: ElectionRules,
  visit: (election: SignElection, begin: number, end: number) => void,
): void {
  const { base, experts } = group;
  const length = blockLength(group, merge);
  const values = new Float64Array(length);
  const election = new SignElection(rules, length);
  for (let begin = 0; begin < base.length; begin += length) {
    const end = Math.min(begin + length, base.length);
    election.clear();
    for (const [k, expert] of experts.entries()) {
      subtract(values, expert, base, begin, end);
      merge.sparsify?.(values, k, begin, end);
      election.add(values, merge.weights[k]!, end - begin);
    }
    visit(election, begin, end);
  }
}

/** Hands out one expert's values before and after they were thinned out, block by block. */
export function forEachThinned(
  group: Group,
  expert: number,
  { sparsify, wholeRows }: { readonly sparsify: Sparsify; readonly wholeRows: boolean },
  visit: (values: Float64Array, begin: number, count: number, thinned: boolean) => void,
): void {
  const { base, experts } = group;
  const length = blockLength(group, { wholeRows });
  const values = new Float64Array(length);
  for (let begin = 0; begin < base.length; begin += length) {
    const end = Math.min(begin + length, base.length);
    subtract(values, experts[expert]!, base, begin, end);
    visit(values, begin, end - begin, false);
    sparsify(values, expert, begin, end);
    visit(values, begin, end - begin, true);
  }
}

/** About as many values as stay in the cache; as many whole rows, at least one, where rows matter. */
export function blockLength(
  group: Group,
  { wholeRows }: Pick<TaskVectorMerge, 'wholeRows'>,
): number {
  if (wholeRows !== true) return Math.min(BLOCK, Math.max(group.base.length, 1));
  const row = Math.max(rowLength(group), 1);
  return row * Math.max(1, Math.floor(BLOCK / row));
}
