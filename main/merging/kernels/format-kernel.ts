/**
 * Conversions between stored bf16 and fp32, and the search for NaN and infinite values, as vector code. Adding
 * one to an exponent of all ones, and only to such a one, carries into the bit above it: that bit, collected
 * over all values, tells whether every one of them is finite.
 */
import {
  addI32,
  addWords,
  and,
  anyBit,
  block,
  branch,
  branchIf,
  compile,
  exponentCarry,
  get,
  halves,
  i32,
  load,
  Locals,
  loop,
  memoryOf,
  notBelow,
  or,
  roundedToHalf,
  set,
  shiftLeft,
  store,
  vector,
  words,
  type Code,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

/** Values of a block. */
const BLOCK = 8192;
const HALVES = 0;
const WORDS = BLOCK * 2;
/** Of eight values. */
const STEP = 8;

const signature: Signature = { parameters: ['i32'], result: 'i32' };
const [count] = [0] as const;
type Convert = (count: number) => number;

const wordCarry = (value: Code): Code => addWords(and(value, words(0x7f800000)), words(0x00800000));

/** Eight values at a time; returns 0 where all of them are finite. */
function eachEight(
  memory: Memory,
  work: (at: {
    readonly halves: Code;
    readonly words: Code;
    readonly low: number;
    readonly high: number;
    readonly value: number;
    see(carries: Code): Code;
  }) => Code,
): Convert {
  const locals = new Locals(signature);
  const [index, at] = locals.take('i32', 2) as [number, number];
  const [low, high, value, seen] = locals.take('v128', 4) as [number, number, number, number];
  const times = (power: number): Code => [get(index), i32(power), 0x74];
  const body: Code = [
    block(
      loop(
        branchIf(1, notBelow(get(index), get(count))),
        set(at, times(2)),
        work({
          halves: times(1),
          words: get(at),
          low,
          high,
          value,
          see: (carries) => set(seen, or(get(seen), carries)),
        }),
        set(index, addI32(get(index), i32(STEP))),
        branch(0),
      ),
    ),
    anyBit(and(get(seen), halves(0x8000))),
  ];
  return compile(memory, signature, locals, body);
}

const decodeOf = (memory: Memory): Convert =>
  eachEight(memory, (at) => [
    set(at.value, load(at.halves, HALVES)),
    at.see(exponentCarry(get(at.value))),
    store(at.words, shiftLeft(vector(0xa9, get(at.value)), 16), WORDS),
    store(at.words, shiftLeft(vector(0xaa, get(at.value)), 16), WORDS + 16),
  ]);

/** A carry of a word is that of its upper half. */
const encodeOf = (memory: Memory): Convert =>
  eachEight(memory, (at) => [
    set(at.low, load(at.words, WORDS)),
    set(at.high, load(at.words, WORDS + 16)),
    at.see(and(or(wordCarry(get(at.low)), wordCarry(get(at.high))), words(0x80000000))),
    set(at.value, vector(0x86, roundedToHalf(at.low), roundedToHalf(at.high))),
    at.see(exponentCarry(get(at.value))),
    store(at.halves, get(at.value), HALVES),
  ]);

const checkOf = (memory: Memory): Convert =>
  eachEight(memory, (at) =>
    at.see(
      and(
        or(wordCarry(load(at.words, WORDS)), wordCarry(load(at.words, WORDS + 16))),
        words(0x80000000),
      ),
    ),
  );

export class FormatKernel {
  readonly #halves: Uint8Array;
  readonly #words: Float32Array;
  readonly #decode: Convert;
  readonly #encode: Convert;
  readonly #check: Convert;

  constructor() {
    const memory = memoryOf(WORDS + BLOCK * 4);
    this.#halves = new Uint8Array(memory.buffer, HALVES, BLOCK * 2);
    this.#words = new Float32Array(memory.buffer, WORDS, BLOCK);
    this.#decode = decodeOf(memory);
    this.#encode = encodeOf(memory);
    this.#check = checkOf(memory);
  }

  /** Bf16 to fp32; returns whether all values are finite. */
  decode(stored: Uint8Array, target: Float32Array): boolean {
    return this.#each(target.length, (begin, end, padded) => {
      this.#halves.set(stored.subarray(2 * begin, 2 * end));
      this.#halves.fill(0, 2 * (end - begin), 2 * padded);
      const faults = this.#decode(padded);
      target.set(this.#words.subarray(0, end - begin), begin);
      return faults;
    });
  }

  /** Fp32 to bf16, to nearest, ties to even; returns whether all values and all rounded ones are finite. */
  encode(values: Float32Array, target: Uint8Array): boolean {
    return this.#each(values.length, (begin, end, padded) => {
      this.#take(values, begin, end, padded);
      const faults = this.#encode(padded);
      target.set(this.#halves.subarray(0, 2 * (end - begin)), 2 * begin);
      return faults;
    });
  }

  isFinite(values: Float32Array): boolean {
    return this.#each(values.length, (begin, end, padded) => {
      this.#take(values, begin, end, padded);
      return this.#check(padded);
    });
  }

  #take(values: Float32Array, begin: number, end: number, padded: number): void {
    this.#words.set(values.subarray(begin, end));
    this.#words.fill(0, end - begin, padded);
  }

  /** Goes on behind a fault: what is written then means nothing, but somewhere it says why. */
  #each(length: number, convert: (begin: number, end: number, padded: number) => number): boolean {
    let faults = 0;
    for (let begin = 0; begin < length; begin += BLOCK) {
      const end = Math.min(begin + BLOCK, length);
      faults |= convert(begin, end, Math.ceil((end - begin) / STEP) * STEP);
    }
    return faults === 0;
  }
}
