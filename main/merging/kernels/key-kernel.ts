/**
 * Keys of magnitudes, counting them and finding equal ones, for selections: the work on every value as
 * vector code, with the rare ones left to the caller. It holds one block of values at a time.
 */
import {
  addI32,
  addWords,
  and,
  block,
  branch,
  branchIf,
  compile,
  get,
  i32,
  load,
  loadI32,
  Locals,
  loop,
  memoryOf,
  notBelow,
  set,
  store,
  storeI32,
  vector,
  words,
  zeros,
  type Code,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

/** Values of a block. */
export const KEY_BLOCK = 4096;
/** Bits of a key below those that are counted first. */
export const LOW_BITS = 15;
/** Of each sign; those of negative keys come behind. */
const BINS = 2 ** (31 - LOW_BITS);
/** Behind the last key of a block; no number has it. */
const PADDING = 0x7fffffff;
/** That of infinity, above all of finite numbers. */
export const MOST_KEY = 0x7f800000;

const PLANE = KEY_BLOCK * 4;
const EXPERT = PLANE;
const KEYS = 2 * PLANE;
const FOUND = 3 * PLANE;
/**
 * Of each table. Before its bins: greatest key, least key less one (as if unsigned), count of zeros, least key, and
 * greatest key (as if unsigned), which is the greatest negative one; four lanes each.
 */
const TABLES = 4 * PLANE;
const SEEN = 80;
const TABLE = SEEN + 2 * BINS * 4;

const wide: Signature = { parameters: ['i32'] };
const [bytes] = [0] as const;

const eachFour = (offset: number, ...body: Code): Code =>
  block(
    loop(
      branchIf(1, notBelow(get(offset), get(bytes))),
      body,
      set(offset, addI32(get(offset), i32(16))),
      branch(0),
    ),
  );
const key = (offset: number): Code => load(addI32(i32(KEYS), get(offset)));

/** |expert − base|: a difference of fp32 numbers rounded to fp32 once, as after a subtraction in fp64. */
function differencesOf(memory: Memory): (bytes: number) => void {
  const locals = new Locals(wide);
  const [offset] = locals.take('i32', 1) as [number];
  const difference = vector(0xe5, load(addI32(i32(EXPERT), get(offset))), load(get(offset)));
  const body = eachFour(
    offset,
    store(addI32(i32(KEYS), get(offset)), and(difference, words(0x7fffffff))),
  );
  return compile(memory, wide, locals, body);
}

/** Counts keys by their upper bits, in the table at an address. */
function countOf(memory: Memory): (bytes: number, table: number) => void {
  const signature: Signature = { parameters: ['i32', 'i32'] };
  const table = 1;
  const locals = new Locals(signature);
  const [offset, bin] = locals.take('i32', 2) as [number, number];
  const vectors = locals.take('v128', 6) as [number, number, number, number, number, number];
  const [greatest, least, none, lowest, highest, four] = vectors;
  const seen = [greatest, least, none, lowest, highest];
  const lane = (number: number): Code => [
    // Of the bin's address.
    set(bin, addI32(get(table), [get(four), 0xfd, 0x1b, number])),
    storeI32(get(bin), addI32(loadI32(get(bin), SEEN), i32(1)), SEEN),
  ];
  const body: Code = [
    seen.map((each, at) => set(each, load(get(table), 16 * at))),
    eachFour(
      offset,
      set(four, key(offset)),
      set(lowest, vector(0xb6, get(lowest), get(four))),
      set(highest, vector(0xb9, get(highest), get(four))),
      set(greatest, vector(0xb8, get(greatest), get(four))),
      set(least, vector(0xb7, get(least), addWords(get(four), words(0xffffffff)))),
      // An equality is −1.
      set(none, vector(0xb1, get(none), vector(0x37, get(four), zeros))),
      set(four, and(vector(0xad, get(four), i32(LOW_BITS - 2)), words(~3))),
      [0, 1, 2, 3].map(lane),
    ),
    seen.map((each, at) => store(get(table), get(each), 16 * at)),
  ];
  return compile(memory, signature, locals, body);
}

type Find = (bytes: number, least: number, width: number) => number;

/** Lists the places of the keys that lie at most `width` above the least; returns how many there are. */
function findOf(memory: Memory): Find {
  const signature: Signature = { parameters: ['i32', 'i32', 'i32'], result: 'i32' };
  const [least, width] = [1, 2] as const;
  const locals = new Locals(signature);
  const [offset, end, mask] = locals.take('i32', 3) as [number, number, number];
  const [from, most] = locals.take('v128', 2) as [number, number];
  const lane = (number: number): Code => [
    storeI32(get(end), addI32([get(offset), i32(2), 0x76], i32(number)), FOUND),
    // Four bytes further where the bit of the lane is set.
    set(end, addI32(get(end), [[[get(mask), i32(number), 0x76], i32(1), 0x71], i32(2), 0x74])),
  ];
  // As if unsigned, keys below the least lie far above it.
  const inside = vector(0x3e, vector(0xb1, key(offset), get(from)), get(most));
  const body: Code = [
    set(from, vector(0x11, get(least))),
    set(most, vector(0x11, get(width))),
    eachFour(
      offset,
      block(
        set(mask, vector(0xa4, inside)),
        branchIf(0, [get(mask), 0x45]),
        [0, 1, 2, 3].map(lane),
      ),
    ),
    [get(end), i32(2), 0x76],
  ];
  return compile(memory, signature, locals, body);
}

export class KeyKernel {
  /** What lies behind `spare` in it is free for other code. */
  readonly memory: Memory;
  readonly spare: number;
  /** The numbers of the block, and at the same place their keys. */
  readonly numbers: Float32Array;
  readonly keys: Int32Array;
  /** Where they lie in the memory, after the block's values of the base model. */
  static readonly keysAt = KEYS;
  readonly #base: Float32Array;
  readonly #expert: Float32Array;
  readonly #found: Int32Array;
  readonly #tables: readonly Table[];
  readonly #differences: (bytes: number) => void;
  readonly #count: (bytes: number, table: number) => void;
  readonly #find: Find;
  #length = 0;

  /** With so many tables to count in, and bytes of memory for other code. */
  constructor(tables = 1, spareBytes = 0) {
    this.spare = TABLES + tables * TABLE;
    this.memory = memoryOf(this.spare + spareBytes);
    const { buffer } = this.memory;
    this.#base = new Float32Array(buffer, 0, KEY_BLOCK);
    this.#expert = new Float32Array(buffer, EXPERT, KEY_BLOCK);
    this.numbers = new Float32Array(buffer, KEYS, KEY_BLOCK);
    this.keys = new Int32Array(buffer, KEYS, KEY_BLOCK);
    this.#found = new Int32Array(buffer, FOUND, KEY_BLOCK);
    this.#tables = Array.from(
      { length: tables },
      (_, index) => new Table(buffer, TABLES + index * TABLE),
    );
    this.#differences = differencesOf(this.memory);
    this.#count = countOf(this.memory);
    this.#find = findOf(this.memory);
  }

  /** Keys of |expert − base| from `begin` to `end`, at most a block. */
  differences(expert: Float32Array, base: Float32Array, begin: number, end: number): void {
    this.#base.set(base.subarray(begin, end));
    this.#expert.set(expert.subarray(begin, end));
    const length = end - begin;
    this.#differences(Math.ceil(length / 4) * 16);
    this.close(length);
  }

  /** To be called when `keys` was written from outside; says how many there are. */
  close(length: number): void {
    this.#length = length;
    this.keys.fill(PADDING, length, Math.ceil(length / 4) * 4);
  }

  get length(): number {
    return this.#length;
  }

  /** Counts the keys of a block by their upper bits. */
  count(table = 0): void {
    this.#count(Math.ceil(this.#length / 4) * 16, TABLES + table * TABLE);
  }

  /**
   * Adds what was counted since the last time to `into`, by bin, those of negative keys behind where there are any;
   * returns how many keys were zero.
   */
  takeCounts(into: Float64Array, table = 0): number {
    return this.#tables[table]!.take(into);
  }

  /** Places in the block of the keys from the least to the greatest, which is at most `MOST_KEY`. */
  find(least: number, greatest: number): Int32Array {
    const count = this.#find(Math.ceil(this.#length / 4) * 16, least, greatest - least);
    return this.#found.subarray(0, count);
  }
}

/** Counts by bin, and which bins those can be. */
class Table {
  readonly #seen: Int32Array;
  readonly #unsigned: Uint32Array;
  readonly #counts: Uint32Array;

  constructor(buffer: ArrayBuffer, at: number) {
    this.#seen = new Int32Array(buffer, at, SEEN / 4);
    this.#unsigned = new Uint32Array(buffer, at, SEEN / 4);
    this.#counts = new Uint32Array(buffer, at + SEEN, 2 * BINS);
    this.#forget();
  }

  take(into: Float64Array): number {
    const [seen, unsigned] = [this.#seen, this.#unsigned];
    const greatest = Math.max(...seen.subarray(0, 4));
    const least = Math.min(...unsigned.subarray(4, 8)) >>> LOW_BITS;
    const zeroCount = seen.subarray(8, 12).reduce((sum, each) => sum + each, 0);
    const lowest = Math.min(...seen.subarray(12, 16));
    const highest = Math.max(...unsigned.subarray(16, 20)) >>> LOW_BITS;
    addBins(this.#counts, into, 0, 1);
    if (greatest > 0) {
      const end = Math.min((greatest >>> LOW_BITS) + 1, BINS - 1);
      // Negative keys are greater ones, as if unsigned.
      addBins(this.#counts, into, Math.min(Math.max(least, 1), end), end);
    }
    if (lowest < 0) addBins(this.#counts, into, lowest >>> LOW_BITS, highest + 1);
    this.#counts[BINS - 1] = 0;
    this.#forget();
    return zeroCount;
  }

  #forget(): void {
    this.#seen.fill(0);
    this.#seen.fill(-0x80000000, 0, 4);
    this.#seen.fill(-1, 4, 8);
    this.#seen.fill(PADDING, 12, 16);
  }
}

function addBins(counts: Uint32Array, into: Float64Array, begin: number, end: number): void {
  for (let bin = begin; bin < end; bin++) into[bin]! += counts[bin]!;
  if (begin < end) counts.fill(0, begin, end);
}
