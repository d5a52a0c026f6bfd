/** Bernoulli masks: whether a value is kept depends on seed, tensor name, expert and index alone. */
import { fillRandomBits, type CounterKey } from '../../lib/counter-random.ts';
import type { Group } from '../method.ts';
import { dropKey } from './vector-merge.ts';

const TWO_31 = 2 ** 31;

export class RandomDrop {
  readonly #keys: readonly CounterKey[];
  readonly #offset: number;
  readonly #words: Uint32Array;

  constructor(group: Group, seed: number, blockLength: number) {
    this.#keys = group.experts.map((_, expert) => dropKey(seed, group, expert));
    this.#offset = group.offset;
    this.#words = new Uint32Array(blockLength);
  }

  /** Sets values to zero that are not kept with this probability; `begin` counts in the group. */
  drop(
    values: Float64Array,
    probability: number,
    expert: number,
    begin: number,
    count: number,
  ): void {
    if (probability >= 1) return;
    fillRandomBits(this.#words, this.#keys[expert]!, this.#offset + begin, count);
    keepBelow(new Int32Array(values.buffer), this.#words, Math.round(probability * TWO_31), count);
  }
}

/** `bits` holds two words for each value. Of a word 31 bits count, so that the difference is an int32. */
function keepBelow(bits: Int32Array, words: Uint32Array, limit: number, count: number): void {
  const most = Math.min(limit, 0x7fffffff);
  for (let i = 0; i < count; i++) {
    const mask = ((words[i]! >>> 1) - most) >> 31;
    bits[2 * i]! &= mask;
    bits[2 * i + 1]! &= mask;
  }
}
