/**
 * How tensors of several adapters become one, as PEFT does it (utils/merge_utils.py): per tensor, with
 * weights applied after signs are elected.
 */
import { zeroMatrix, type Matrix } from '../../engine/linear/matrix.ts';
import { counterKey, fillRandomBits, type CounterKey } from '../../lib/counter-random.ts';

/** How the entries of one tensor are thinned, and how the tensors are put together. */
interface Rule {
  readonly prune: 'none' | 'magnitude' | 'random';
  readonly elect: boolean;
}

/** PEFT's names of the rules that act on tensors. */
export const rules = {
  linear: { prune: 'none', elect: false },
  ties: { prune: 'magnitude', elect: true },
  dare_linear: { prune: 'random', elect: false },
  dare_ties: { prune: 'random', elect: true },
  magnitude_prune: { prune: 'magnitude', elect: false },
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleId = keyof typeof rules;

export interface RuleOptions {
  /** The share of the entries to keep; from 1 on all of them. */
  readonly density: number;
  /** Whose sign wins: that of the sum of the values, or of the sum of their signs. */
  readonly majority: 'total' | 'frequency';
  /** What the random choice depends on, beside the index of the tensor and of the entry. */
  readonly key: readonly (string | number)[];
}

/** Σ wₖ prune(Tₖ), or with an election the mean of the weighted entries that have the elected sign. */
export function combineTensors(
  rule: RuleId,
  tensors: readonly Matrix[],
  weights: readonly number[],
  options: RuleOptions,
): Matrix {
  const [first] = tensors;
  if (first === undefined) throw new Error('no tensors to combine');
  const { prune, elect } = rules[rule];
  const pruned = tensors.map((tensor, index) => {
    if (prune === 'none' || options.density >= 1) return tensor.data;
    if (prune === 'magnitude') return keepLargest(tensor.data, options.density);
    return keepRandom(tensor.data, options.density, counterKey(...options.key, index));
  });
  const result = zeroMatrix(first.rows, first.columns);
  for (let i = 0; i < result.data.length; i++) {
    result.data[i] = elect
      ? electedMean(pruned, weights, i, options.majority)
      : pruned.reduce((sum, values, k) => sum + weights[k]! * values[i]!, 0);
  }
  return result;
}

function electedMean(
  tensors: readonly Float64Array[],
  weights: readonly number[],
  i: number,
  majority: RuleOptions['majority'],
): number {
  let balance = 0;
  for (const values of tensors)
    balance += majority === 'total' ? values[i]! : Math.sign(values[i]!);
  const elected = balance >= 0 ? 1 : -1;
  let sum = 0;
  let count = 0;
  for (const [k, values] of tensors.entries()) {
    if (Math.sign(values[i]!) !== elected) continue;
    sum += weights[k]! * values[i]!;
    count++;
  }
  return sum / Math.max(count, 1);
}

/** Exactly ⌊density · n⌋ entries; of equally large ones the first. */
function keepLargest(values: Float64Array, density: number): Float64Array {
  const count = Math.floor(density * values.length);
  const kept = new Float64Array(values.length);
  if (count === 0) return kept;
  const threshold = values.map(Math.abs).sort()[values.length - count]!;
  let room = count;
  for (const value of values) if (Math.abs(value) > threshold) room--;
  for (const [i, value] of values.entries()) {
    const size = Math.abs(value);
    if (size > threshold || (size === threshold && room-- > 0)) kept[i] = value;
  }
  return kept;
}

/** Each entry with probability `density`, divided by it: the expected value stays. */
function keepRandom(values: Float64Array, density: number, key: CounterKey): Float64Array {
  const bits = new Uint32Array(values.length);
  fillRandomBits(bits, key, 0, values.length);
  return values.map((value, i) => (bits[i]! < density * 2 ** 32 ? value / density : 0));
}
