/** Magnitudes of changes outside a range, as vector code: the few of a model that lie in its tails. */
import { COMPRESS_BYTES, compressor } from './compress.ts';
import {
  addI32,
  and,
  block,
  branch,
  branchIf,
  compile,
  get,
  i32,
  load,
  Locals,
  loop,
  memoryOf,
  notBelow,
  op,
  set,
  vector,
  words,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

/** The pattern of NaN that arithmetic keeps, above those of all numbers. */
export const NO_KEY = 0x7fc00000;
/** Values of a block. */
export const TAIL_BLOCK = 4096;
const PLANE = TAIL_BLOCK * 4;
const EXPERT = PLANE;
const FOUND = 2 * PLANE;
const TABLE = 3 * PLANE;

type Find = (bytes: number, least: number, width: number) => number;

/** Lists the keys that lie below the least or more than `width` above it; returns how many there are. */
function findOf(memory: Memory): Find {
  const signature: Signature = { parameters: ['i32', 'i32', 'i32'], result: 'i32' };
  const [bytes, least, width] = [0, 1, 2] as const;
  const locals = new Locals(signature);
  const [offset, end, mask] = locals.take('i32', 3) as [number, number, number];
  const [from, most, keys] = locals.take('v128', 3) as [number, number, number];
  const list = compressor(memory, TABLE);
  const body = [
    set(from, vector(0x11, get(least))),
    set(most, vector(0x11, get(width))),
    block(
      loop(
        branchIf(1, notBelow(get(offset), get(bytes))),
        // A difference of fp32 numbers rounded to fp32 once, as after a subtraction in fp64.
        set(
          keys,
          and(
            vector(0xe5, load(addI32(i32(EXPERT), get(offset))), load(get(offset))),
            words(0x7fffffff),
          ),
        ),
        // As if unsigned, keys below the least lie far above it.
        set(mask, vector(0xa4, vector(0x3c, vector(0xb1, get(keys), get(from)), get(most)))),
        block(branchIf(0, op(0x45, get(mask))), list(end, mask, get(keys), FOUND)),
        set(offset, addI32(get(offset), i32(16))),
        branch(0),
      ),
    ),
    [get(end), i32(2), 0x76],
  ];
  return compile(memory, signature, locals, body);
}

export class TailKernel {
  readonly #base: Float32Array;
  readonly #expert: Float32Array;
  readonly #patterns: Int32Array;
  readonly #found: Int32Array;
  readonly #find: Find;
  #length = 0;

  constructor() {
    const memory = memoryOf(TABLE + COMPRESS_BYTES);
    this.#base = new Float32Array(memory.buffer, 0, TAIL_BLOCK);
    this.#expert = new Float32Array(memory.buffer, EXPERT, TAIL_BLOCK);
    this.#patterns = new Int32Array(memory.buffer, EXPERT, TAIL_BLOCK);
    this.#found = new Int32Array(memory.buffer, FOUND, TAIL_BLOCK);
    this.#find = findOf(memory);
  }

  /** Takes values of the base, at most a block. */
  load(base: Float32Array): void {
    this.#length = base.length;
    this.#base.set(base);
  }

  /** Keys of |expert − base| below or above a range of keys; valid until the next call. */
  outside(expert: Float32Array, least: number, greatest: number): Int32Array {
    this.#expert.set(expert);
    const padded = Math.ceil(this.#length / 4) * 4;
    // Behind the last value come keys inside.
    this.#base.fill(0, this.#length, padded);
    this.#patterns.fill(least, this.#length, padded);
    return this.#found.subarray(0, this.#find(padded * 4, least, greatest - least));
  }
}
