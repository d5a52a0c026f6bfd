/**
 * Orders the values of a row by magnitude, the greatest first and equal ones by index: a stable radix
 * sort of bit patterns, a few bits at a time, which takes the same few steps for every value.
 */
import { magnitudeKeys } from '../select-counts.ts';

/** Below it the bins of large digits would take longer than the values. */
const LONG_ROW = 8192;
const digitOf = (rowLength: number) => (rowLength < LONG_ROW ? 8 : 11);

export class MagnitudeRanker {
  readonly #rounded: Float32Array;
  readonly #keys: Int32Array;
  readonly #other: Uint32Array;
  readonly #order: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #digit: number;

  constructor(rowLength: number) {
    this.#digit = digitOf(rowLength);
    this.#starts = new Uint32Array(2 ** this.#digit);
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
    for (let shift = 0; shift < 31; shift += this.#digit) {
      findStarts(this.#keys, this.#starts, shift, count);
      scatter(this.#keys, from, to, this.#starts, shift, count);
      [from, to] = [to, from];
    }
    return from;
  }
}

/** Where the values of each digit begin, the greatest digit first. */
function findStarts(keys: Int32Array, starts: Uint32Array, shift: number, count: number): void {
  const mask = starts.length - 1;
  starts.fill(0);
  for (let i = 0; i < count; i++) starts[(keys[i]! >>> shift) & mask]!++;
  let start = 0;
  for (let digit = mask; digit >= 0; digit--) {
    const size = starts[digit]!;
    starts[digit] = start;
    start += size;
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
  const mask = starts.length - 1;
  for (let i = 0; i < count; i++) {
    const index = from[i]!;
    to[starts[(keys[index]! >>> shift) & mask]!++] = index;
  }
}
