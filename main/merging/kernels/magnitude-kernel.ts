/**
 * Sums of the magnitudes of a task vector and of those that a random mask leaves, in the lanes of
 * `elementwise/lane-sums.ts`, which with `RandomDrop` is its definition: the same sums in the same order, and
 * so the same bits.
 */
import type { CounterKey } from '../../lib/counter-random.ts';
import { LANES } from '../elementwise/lane-sums.ts';
import { field, randomMask } from './random-mask.ts';
import {
  add,
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
  Locals,
  loop,
  magnitude,
  memoryOf,
  notBelow,
  promoteHigh,
  promoteLow,
  set,
  store,
  subtract,
  vector,
  wordLanes,
  widenHigh,
  widenLow,
  words,
  type Code,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

/** Positions of a block. */
const MAGNITUDE_BLOCK = 2048;
const PLANE = MAGNITUDE_BLOCK * 4;
const RECORD = 0;
/** Lanes of the whole sum, then of what is kept. */
const SUMS = 64;
const BASE = SUMS + 2 * LANES * 8;
const EXPERT = BASE + PLANE;

const signature: Signature = { parameters: ['i32', 'i32'] };
const [bytes, index] = [0, 1] as const;

type Run = (bytes: number, index: number) => void;

function assemble(memory: Memory): Run {
  const locals = new Locals(signature);
  const [offset] = locals.take('i32', 1) as [number];
  const vectors = locals.take('v128', 8 + 6);
  const pairs = LANES / 2;
  const [whole, kept] = [vectors.slice(0, pairs), vectors.slice(pairs, 2 * pairs)];
  const [place, four, base, value, mask, hash] = vectors.slice(2 * pairs) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const addPair = (pair: number, difference: Code, widened: Code): Code => [
    set(value, magnitude(difference)),
    set(whole[pair]!, add(get(whole[pair]!), get(value))),
    set(kept[pair]!, add(get(kept[pair]!), and(get(value), widened))),
  ];
  const addFour = (half: 0 | 1): Code => [
    set(four, load(addI32(i32(EXPERT), get(offset)), 16 * half)),
    set(base, load(addI32(i32(BASE), get(offset)), 16 * half)),
    set(mask, randomMask(place, hash, i32(RECORD))),
    set(place, addWords(get(place), words(4))),
    addPair(2 * half, subtract(promoteLow(get(four)), promoteLow(get(base))), widenLow(get(mask))),
    addPair(2 * half + 1, subtract(promoteHigh(four), promoteHigh(base)), widenHigh(get(mask))),
  ];
  const sums = [...whole, ...kept];
  const body: Code = [
    set(place, addWords(vector(0x11, get(index)), wordLanes)),
    sums.map((sum, at) => set(sum, load(i32(SUMS), 16 * at))),
    block(
      loop(
        branchIf(1, notBelow(get(offset), get(bytes))),
        addFour(0),
        addFour(1),
        set(offset, addI32(get(offset), i32(32))),
        branch(0),
      ),
    ),
    sums.map((sum, at) => store(i32(SUMS), get(sum), 16 * at)),
  ];
  return compile(memory, signature, locals, body);
}

export class MagnitudeKernel {
  readonly #record: DataView;
  readonly #sums: Float64Array;
  readonly #base: Float32Array;
  readonly #expert: Float32Array;
  readonly #run: Run;

  constructor() {
    const memory = memoryOf(EXPERT + PLANE);
    this.#record = new DataView(memory.buffer, RECORD, SUMS);
    this.#sums = new Float64Array(memory.buffer, SUMS, 2 * LANES);
    this.#base = new Float32Array(memory.buffer, BASE, MAGNITUDE_BLOCK);
    this.#expert = new Float32Array(memory.buffer, EXPERT, MAGNITUDE_BLOCK);
    this.#run = assemble(memory);
  }

  /**
   * Adds the magnitudes of expert − base to `whole`, and of those up to the random limit of the key to `kept`;
   * both are lanes of one sum. `index` is that of the first value in its tensor, and all of them are below 2^32.
   */
  add(
    expert: Float32Array,
    base: Float32Array,
    index: number,
    { key, limit }: { readonly key: CounterKey; readonly limit: number },
    { whole, kept }: { readonly whole: Float64Array; readonly kept: Float64Array },
  ): void {
    const record = this.#record;
    key.forEach((word, at) => {
      record.setInt32(field.first + 4 * at, word, true);
    });
    record.setInt32(field.random, limit, true);
    this.#sums.set(whole, 0);
    this.#sums.set(kept, LANES);
    // The first value goes to its lane; zeros before and behind add nothing.
    const phase = index % LANES;
    for (let begin = -phase; begin < expert.length; begin += MAGNITUDE_BLOCK) {
      const end = Math.min(begin + MAGNITUDE_BLOCK, expert.length);
      const from = Math.max(begin, 0);
      const padded = Math.ceil((end - begin) / LANES) * LANES;
      place(this.#expert, expert.subarray(from, end), from - begin, padded);
      place(this.#base, base.subarray(from, end), from - begin, padded);
      this.#run(padded * 4, (index + begin) | 0);
    }
    whole.set(this.#sums.subarray(0, LANES));
    kept.set(this.#sums.subarray(LANES));
  }
}

function place(plane: Float32Array, values: Float32Array, at: number, end: number): void {
  plane.fill(0, 0, at);
  plane.set(values, at);
  plane.fill(0, at + values.length, end);
}
