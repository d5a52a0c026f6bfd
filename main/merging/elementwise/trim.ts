/** Dropping values by magnitude, without branches on them: kept or not, a value is combined with a mask. */
import type { TopSet } from '../select-magnitudes.ts';
import { magnitudeKeys } from '../select-counts.ts';

/** A trimmer for blocks of up to `blockLength` values. */
export class Trimmer {
  readonly #rounded: Float32Array;
  readonly #keys: Int32Array;

  constructor(blockLength: number) {
    this.#rounded = new Float32Array(blockLength);
    this.#keys = new Int32Array(this.#rounded.buffer);
  }

  /**
   * Sets all to zero but the values of the top set, by their own magnitude or those of `by`; `index` is
   * that of the first in its tensor.
   */
  keepTop(
    values: Float64Array,
    top: TopSet,
    index: number,
    count: number,
    by: Float64Array = values,
  ): void {
    this.#mask(values, by, top, index, count, 0);
  }

  /** Sets the values of the top set to zero. */
  dropTop(values: Float64Array, top: TopSet, index: number, count: number): void {
    this.#mask(values, values, top, index, count, -1);
  }

  #mask(
    values: Float64Array,
    by: Float64Array,
    top: TopSet,
    index: number,
    count: number,
    flip: 0 | -1,
  ): void {
    const middle = Math.min(Math.max(top.cutoff - index, 0), count);
    const keys = this.#keys;
    round(this.#rounded, by, count);
    magnitudeKeys(keys, count);
    const bits = new Int32Array(values.buffer);
    maskAbove(bits, keys, Math.max(top.key - 1, -1), 0, middle, flip);
    maskAbove(bits, keys, Math.max(top.key, -1), middle, count, flip);
  }
}

/** Sets all of a row to zero but the values of the top set `last` that are not in `first`. */
export function keepBetween(
  row: Float64Array,
  keys: Int32Array,
  first: TopSet,
  last: TopSet,
): void {
  const bits = new Int32Array(row.buffer, row.byteOffset, 2 * row.length);
  const cuts = [first.cutoff, last.cutoff].filter((cut) => cut > 0 && cut < row.length);
  const bounds = [0, ...cuts.sort((a, b) => a - b), row.length];
  for (let part = 0; part + 1 < bounds.length; part++) {
    const [begin, end] = [bounds[part]!, bounds[part + 1]!];
    maskBetween(bits, keys, limitAt(first, begin), limitAt(last, begin), begin, end);
  }
}

function limitAt({ key, cutoff }: TopSet, index: number): number {
  return Math.max(index < cutoff ? key - 1 : key, -1);
}

/** As `maskAbove`: what is above `last` and not above `first` stays. */
function maskBetween(
  bits: Int32Array,
  keys: Int32Array,
  first: number,
  last: number,
  begin: number,
  end: number,
): void {
  for (let i = begin; i < end; i++) {
    const key = keys[i]!;
    const mask = ((last - key) >> 31) & ~((first - key) >> 31);
    bits[2 * i]! &= mask;
    bits[2 * i + 1]! &= mask;
  }
}

function round(target: Float32Array, values: Float64Array, count: number): void {
  for (let i = 0; i < count; i++) target[i] = values[i]!;
}

/** `bits` holds two words for each key. Keys are magnitudes, `limit` at least −1: nothing overflows. */
function maskAbove(
  bits: Int32Array,
  keys: Int32Array,
  limit: number,
  begin: number,
  end: number,
  flip: 0 | -1,
): void {
  for (let i = begin; i < end; i++) {
    const mask = ((limit - keys[i]!) >> 31) ^ flip;
    bits[2 * i]! &= mask;
    bits[2 * i + 1]! &= mask;
  }
}
