/**
 * Ranks within rows. The values of a row are counted in bins of magnitude, the greatest first and about as many
 * as there are values: what a rank is about is then found in one bin, and a row is nearly sorted. Bins go
 * from the greatest magnitude to twelve octaves below; whatever is smaller shares the last one.
 */
import { fillRandomBits, type CounterKey } from '../../lib/counter-random.ts';
import type { TopSet } from '../select-magnitudes.ts';
import { field } from './random-mask.ts';
import { countBins, drawWords, dropInOrder, keysOf, orderRow, rowLayout } from './row-code.ts';
import { memoryOf } from '../../lib/wasm.ts';

const LEAST_BINS = 16;
const MOST_BINS = 4096;
const SPAN = 12 * 2 ** 23;
/** Moves of a value, on average, beyond which sorting anew is as fast. */
const MOST_MOVES = 16;
const TWO_32 = 2 ** 32;

const NOTHING: TopSet = { key: 0x7fffffff, cutoff: 0 };
const ALL: TopSet = { key: 0, cutoff: Infinity };

/** Memory for rows of at most `capacity` values, and the functions that work in it. */
class RowProgram {
  readonly values: Float64Array;
  readonly keys: Int32Array;
  readonly probabilities: Float64Array;
  readonly words: Uint32Array;
  readonly order: Uint32Array;
  readonly counts: Uint32Array;
  readonly record: DataView;
  readonly findKeys;
  readonly count;
  readonly sort;
  readonly draw;
  readonly drop;

  constructor(capacity: number) {
    const bins = Math.min(Math.max(capacity, LEAST_BINS), MOST_BINS);
    const layout = rowLayout(capacity, bins);
    const memory = memoryOf(layout.bytes);
    const { buffer } = memory;
    this.values = new Float64Array(buffer, layout.values, capacity);
    this.keys = new Int32Array(buffer, layout.keys, capacity);
    this.probabilities = new Float64Array(buffer, layout.probabilities, capacity);
    this.words = new Uint32Array(buffer, layout.words, capacity);
    this.order = new Uint32Array(buffer, layout.order, 2 * capacity);
    this.counts = new Uint32Array(buffer, layout.counts, bins);
    this.record = new DataView(buffer, layout.record, 64);
    this.findKeys = keysOf(memory, layout);
    this.count = countBins(memory, layout);
    this.sort = orderRow(memory, layout, bins, MOST_MOVES);
    this.draw = drawWords(memory, layout);
    this.drop = dropInOrder(memory, layout);
  }
}

/** Few lengths of rows occur in a model. */
const programs = new Map<number, RowProgram>();

function programFor(rowLength: number): RowProgram {
  const capacity = 2 ** Math.ceil(Math.log2(Math.max(rowLength, 4)));
  let program = programs.get(capacity);
  if (program === undefined) programs.set(capacity, (program = new RowProgram(capacity)));
  return program;
}

/** One row at a time; another kernel for rows of about the same length uses the same memory. */
export class RowKernel {
  readonly #program: RowProgram;
  readonly #length: number;
  readonly #padded: number;
  /** Greatest key, how far below it bins go, and which bits of that difference they leave out. */
  #range: readonly [number, number, number] = [0, 0, 0];

  constructor(rowLength: number) {
    this.#program = programFor(rowLength);
    this.#length = rowLength;
    this.#padded = Math.ceil(rowLength / 4) * 4;
  }

  /** Bit patterns of the magnitudes as fp32. */
  get keys(): Int32Array {
    return this.#program.keys;
  }

  /** Takes a row of values. */
  take(row: Float64Array): void {
    const { values, counts, findKeys, count } = this.#program;
    values.set(row);
    values.fill(0, this.#length, this.#padded);
    const greatest = findKeys(this.#padded);
    const width = Math.min(greatest, SPAN);
    const shift = Math.max(0, 32 - Math.clz32(width) - Math.log2(counts.length));
    this.#range = [greatest, width, shift];
    counts.fill(0);
    count(this.#length, ...this.#range);
  }

  /** The `size` greatest of the row; of equal ones those of the lowest indices. */
  top(size: number): TopSet {
    if (size <= 0) return NOTHING;
    if (size >= this.#length) return ALL;
    const { counts, keys } = this.#program;
    let rest = size;
    let bin = 0;
    for (; rest > counts[bin]!; bin++) rest -= counts[bin]!;
    const places = this.#placesIn(bin);
    const sorted = places.map((place) => keys[place]!).sort((a, b) => b - a);
    const key = sorted[rest - 1]!;
    const wanted = rest - sorted.indexOf(key);
    const equal = places.filter((place) => keys[place] === key);
    return { key, cutoff: equal[wanted - 1]! + 1 };
  }

  #placesIn(bin: number): number[] {
    const [greatest, width, shift] = this.#range;
    const { keys, counts } = this.#program;
    const places: number[] = [];
    // Of the last bin all that lie lower.
    const least = (bin << shift) >>> 0;
    const most = bin === width >>> shift ? greatest : least + 2 ** shift - 1;
    const left = counts[bin]!;
    for (let place = 0; places.length < left; place++) {
      const below = greatest - keys[place]!;
      if (below >= least && below <= most) places.push(place);
    }
    return places;
  }

  /**
   * Drops values at random, each with the probability of its place in the order of magnitudes, the greatest
   * first and equal ones by index, and writes the row. Those kept are divided by their probability if asked
   * to. `index` is that of the first value in its tensor.
   */
  dropRanked(
    row: Float64Array,
    probabilities: Float64Array,
    {
      key,
      index,
      divide,
    }: { readonly key: CounterKey; readonly index: number; readonly divide: boolean },
  ): void {
    const program = this.#program;
    program.probabilities.set(probabilities);
    if (program.sort(this.#length, ...this.#range) === 0) this.#sortAnew();
    if (index + this.#padded <= TWO_32) {
      key.forEach((word, at) => {
        program.record.setInt32(field.first + 4 * at, word, true);
      });
      program.draw(this.#padded, index | 0);
    } else {
      fillRandomBits(program.words, key, index, this.#length);
    }
    program.drop(this.#length, divide ? 1 : 0);
    row.set(program.values.subarray(0, this.#length));
  }

  #sortAnew(): void {
    const { keys, order } = this.#program;
    const indices = Uint32Array.from({ length: this.#length }, (_, index) => index);
    indices.sort((a, b) => keys[b]! - keys[a]! || a - b);
    indices.forEach((index, place) => {
      order[2 * place] = ~index;
    });
  }
}
