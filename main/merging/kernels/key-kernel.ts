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
const BINS = 2 ** (31 - LOW_BITS);
/** Behind the last key of a block; no number has it. */
const PADDING = 0x7fffffff;

const PLANE = KEY_BLOCK * 4;
const EXPERT = PLANE;
const KEYS = 2 * PLANE;
const FOUND = 3 * PLANE;
/** Before the bins: greatest key, least key less one (as if unsigned) and count of zeros; four lanes each. */
const SEEN = 4 * PLANE;
const TABLE = SEEN + 48;

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

/** Counts keys by their upper bits. */
function countOf(memory: Memory): (bytes: number) => void {
  const locals = new Locals(wide);
  const [offset, bin] = locals.take('i32', 2) as [number, number];
  const vectors = locals.take('v128', 4) as [number, number, number, number];
  const [greatest, least, none, four] = vectors;
  const seen = [greatest, least, none];
  const lane = (number: number): Code => [
    // Of the bin's address.
    set(bin, [get(four), 0xfd, 0x1b, number]),
    storeI32(get(bin), addI32(loadI32(get(bin), TABLE), i32(1)), TABLE),
  ];
  const body: Code = [
    seen.map((each, at) => set(each, load(i32(SEEN), 16 * at))),
    eachFour(
      offset,
      set(four, key(offset)),
      set(greatest, vector(0xb8, get(greatest), get(four))),
      set(least, vector(0xb7, get(least), addWords(get(four), words(0xffffffff)))),
      // An equality is −1.
      set(none, vector(0xb1, get(none), vector(0x37, get(four), zeros))),
      set(four, and(vector(0xad, get(four), i32(LOW_BITS - 2)), words(~3))),
      [0, 1, 2, 3].map(lane),
    ),
    seen.map((each, at) => store(i32(SEEN), get(each), 16 * at)),
  ];
  return compile(memory, wide, locals, body);
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
  /** The numbers of the block, and at the same place their keys. */
  readonly numbers: Float32Array;
  readonly keys: Int32Array;
  readonly #base: Float32Array;
  readonly #expert: Float32Array;
  readonly #found: Int32Array;
  readonly #table: Table;
  readonly #differences: (bytes: number) => void;
  readonly #count: (bytes: number) => void;
  readonly #find: Find;
  #length = 0;

  constructor() {
    const memory = memoryOf(TABLE + BINS * 4);
    const { buffer } = memory;
    this.#base = new Float32Array(buffer, 0, KEY_BLOCK);
    this.#expert = new Float32Array(buffer, EXPERT, KEY_BLOCK);
    this.numbers = new Float32Array(buffer, KEYS, KEY_BLOCK);
    this.keys = new Int32Array(buffer, KEYS, KEY_BLOCK);
    this.#found = new Int32Array(buffer, FOUND, KEY_BLOCK);
    this.#table = new Table(buffer);
    this.#differences = differencesOf(memory);
    this.#count = countOf(memory);
    this.#find = findOf(memory);
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

  /** Counts the keys of a block by their upper bits. */
  count(): void {
    this.#count(Math.ceil(this.#length / 4) * 16);
  }

  /** Adds what was counted since the last time to `into`, by bin; returns how many keys were zero. */
  takeCounts(into: Float64Array): number {
    return this.#table.take(into);
  }

  /** Places in the block of the keys from the least to the greatest, which is that of a number at most. */
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

  constructor(buffer: ArrayBuffer) {
    this.#seen = new Int32Array(buffer, SEEN, 12);
    this.#unsigned = new Uint32Array(buffer, SEEN, 12);
    this.#counts = new Uint32Array(buffer, TABLE, BINS);
    this.#forget();
  }

  take(into: Float64Array): number {
    const greatest = Math.max(...this.#seen.subarray(0, 4));
    const least = Math.min(...this.#unsigned.subarray(4, 8)) >>> LOW_BITS;
    const zeroCount = this.#seen.subarray(8, 12).reduce((sum, each) => sum + each, 0);
    addBins(this.#counts, into, 0, 1);
    if (greatest > 0) {
      const end = Math.min((greatest >>> LOW_BITS) + 1, BINS - 1);
      addBins(this.#counts, into, Math.min(Math.max(least, 1), end), end);
    }
    // Of the padding.
    this.#counts[BINS - 1] = 0;
    this.#forget();
    return zeroCount;
  }

  #forget(): void {
    this.#seen.fill(0);
    this.#seen.fill(-1, 4, 8);
  }
}

function addBins(counts: Uint32Array, into: Float64Array, begin: number, end: number): void {
  for (let bin = begin; bin < end; bin++) into[bin]! += counts[bin]!;
  if (begin < end) counts.fill(0, begin, end);
}
