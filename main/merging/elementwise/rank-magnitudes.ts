/**
 * Orders the values of a row by magnitude, the greatest first and equal ones by index: a stable radix
 * sort of bit patterns by 11 bits at a time, which takes the same few steps for every value.
 */
import { magnitudeKeys } from '../select-counts.ts';

const DIGIT = 11;
const BINS = 2 ** DIGIT;

export class MagnitudeRanker {
  readonly #rounded: Float32Array;
  readonly #keys: Int32Array;
  readonly #other: Uint32Array;
  readonly #order: Uint32Array;
  readonly #starts = new Uint32Array(BINS);

  constructor(rowLength: number) {
    this.#rounded = new Float32Array(rowLength);
    this.#keys = new Int32Array(this.#rounded.buffer);
    this.#order = new Uint32Array(rowLength);
    this.#other = new Uint32Array(rowLength);
  }

  /** Indices into the row, valid until the next call. */
  order(row: Float64Array): Uint32Array {
    this.#rounded.set(row);
    const count = row.length;
    magnitudeKeys(this.#keys, count);
    let from = this.#other;
    let to = this.#order;
    for (let i = 0; i < count; i++) from[i] = i;
    for (let shift = 0; shift < 31; shift += DIGIT) {
      this.#startsOf(shift, count);
      scatter(this.#keys, from, to, this.#starts, shift, count);
      [from, to] = [to, from];
    }
    return from;
  }

  /** Where the values of each digit begin, the greatest digit first. */
  #startsOf(shift: number, count: number): void {
    const starts = this.#starts.fill(0);
    for (let i = 0; i < count; i++) starts[(this.#keys[i]! >>> shift) & (BINS - 1)]!++;
    let start = 0;
    for (let digit = BINS - 1; digit >= 0; digit--) {
      const size = starts[digit]!;
      starts[digit] = start;
      start += size;
    }
  }
}

function scatter(
  keys: Int32Array,
  from: Uint32Array,
  to: Uint32Array,
  starts: Uint32Array,
  shift: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const index = from[i]!;
    to[starts[(keys[index]! >>> shift) & (BINS - 1)]!++] = index;
  }
}
