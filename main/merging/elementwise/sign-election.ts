/**
 * The second half of TIES (Yadav et al. 2023), which several methods share: at every position the experts
 * elect a sign, and only values of that sign are merged. Without branches on the values, whose signs
 * no processor can predict: sums of both signs are kept side by side, and the elected one is taken.
 */
import type { Group } from '../method.ts';

export interface ElectionRules {
  /** `mass`: the sign of the sum; `frequency`: that of most values. */
  readonly vote: 'mass' | 'frequency';
  /** Whether weights count in the vote, or only in the sum of the elected values. */
  readonly weigh: 'before_vote' | 'after_vote';
  /** What a position takes whose vote is even. */
  readonly evenSign: 1 | -1;
  /** Of the agreeing values: their sum, that by their number, or that by their weights. */
  readonly merge: 'sum' | 'mean' | 'weighted_mean';
}

const MAGNITUDE = 0x7fffffff;

/** Collects the values of all experts for one block of positions, then writes what was elected. */
export class SignElection {
  readonly #rules: ElectionRules;
  readonly #vote: Float64Array;
  readonly #voteBits: Int32Array;
  /** For each position twice the sum of the falling values, then twice that of the rising ones. */
  readonly #sums: Float64Array;
  /** Likewise their numbers or weights. */
  readonly #divisors: Float64Array | undefined;

  constructor(rules: ElectionRules, blockLength: number) {
    this.#rules = rules;
    this.#vote = new Float64Array(blockLength);
    this.#voteBits = new Int32Array(this.#vote.buffer);
    this.#sums = new Float64Array(2 * blockLength);
    this.#divisors = rules.merge === 'sum' ? undefined : new Float64Array(2 * blockLength);
  }

  clear(): void {
    this.#vote.fill(0);
    this.#sums.fill(0);
    this.#divisors?.fill(0);
  }

  /** Takes the first `count` values of one expert, and may change them. */
  add(values: Float64Array, weight: number, count: number): void {
    const { vote, weigh, merge } = this.#rules;
    const before = weigh === 'before_vote';
    if (before && weight !== 1) scale(values, weight, count);
    const bits = new Int32Array(values.buffer);
    addToSums(this.#sums, values, before ? 1 : weight, count);
    if (vote === 'mass') addTo(this.#vote, values, count);
    else addSigns(this.#vote, bits, count);
    if (this.#divisors !== undefined) {
      addPresence(this.#divisors, bits, merge === 'mean' ? 1 : weight, count);
    }
  }

  /** base + λ × the elected values, into `target` at `begin`. */
  write(target: Float32Array, { base }: Group, lambda: number, begin: number, count: number): void {
    const evenRises = this.#rules.evenSign > 0 ? 1 : 0;
    const bits = this.#voteBits;
    elect(target, base, this.#sums, this.#divisors, bits, evenRises, lambda / 2, begin, count);
  }

  /** How many positions rise less how many fall. */
  balance(count: number): number {
    let balance = 0;
    for (let i = 0; i < count; i++) balance += Math.sign(this.#vote[i]!);
    return balance;
  }
}

function scale(values: Float64Array, weight: number, count: number): void {
  for (let i = 0; i < count; i++) values[i]! *= weight;
}

function addTo(sum: Float64Array, values: Float64Array, count: number): void {
  for (let i = 0; i < count; i++) sum[i]! += values[i]!;
}

/** x − |x| and x + |x| are twice the falling and the rising part, exactly. */
function addToSums(sums: Float64Array, values: Float64Array, weight: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    const size = Math.abs(value);
    sums[2 * i]! += weight * (value - size);
    sums[2 * i + 1]! += weight * (value + size);
  }
}

// Signs are read from the upper word: differences of fp32 numbers are never so small that it is zero.

function addSigns(vote: Float64Array, bits: Int32Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const upper = bits[2 * i + 1]!;
    const present = ((upper & MAGNITUDE) + MAGNITUDE) >>> 31;
    vote[i]! += present - 2 * (present & (upper >>> 31));
  }
}

function addPresence(
  divisors: Float64Array,
  bits: Int32Array,
  weight: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const upper = bits[2 * i + 1]!;
    const present = ((upper & MAGNITUDE) + MAGNITUDE) >>> 31;
    const falling = present & (upper >>> 31);
    divisors[2 * i]! += weight * falling;
    divisors[2 * i + 1]! += weight * (present - falling);
  }
}

/** target = base + (half × elected sum) / elected divisor */
function elect(
  target: Float32Array,
  base: Float32Array,
  sums: Float64Array,
  divisors: Float64Array | undefined,
  voteBits: Int32Array,
  evenRises: 0 | 1,
  half: number,
  begin: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const upper = voteBits[2 * i + 1]!;
    const decided = ((upper & MAGNITUDE) + MAGNITUDE) >>> 31;
    const rises = decided === 1 ? (upper >>> 31) ^ 1 : evenRises;
    const at = 2 * i + rises;
    const divisor = divisors === undefined ? 1 : divisors[at]!;
    target[begin + i] = base[begin + i]! + (half * sums[at]!) / (divisor === 0 ? 1 : divisor);
  }
}
