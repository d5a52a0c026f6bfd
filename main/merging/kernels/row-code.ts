/**
 * What the methods that rank within rows do with every value of a row: its key (the bit pattern of its
 * magnitude as fp32, ordered as the numbers are), its bin, its place in the order, and whether it is dropped.
 */
import { randomBits } from './random-mask.ts';
import {
  addI32,
  addWords,
  and,
  block,
  branch,
  branchIf,
  compile,
  demote,
  get,
  i32,
  i64,
  load,
  loadF64,
  loadI32,
  loadI64,
  Locals,
  loop,
  notBelow,
  op,
  set,
  store,
  storeI32,
  storeI64,
  vector,
  wordLanes,
  words,
  type Code,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

/** Byte offsets of the planes of a row of at most `capacity` values. */
export interface RowLayout {
  /** Fp64, changed by `drop`. */
  readonly values: number;
  readonly keys: number;
  /** Fp64: for each place the probability that a value is kept. */
  readonly probabilities: number;
  /** Random words of 32 bits. */
  readonly words: number;
  /** In order: the key above, the complement of the index below. */
  readonly order: number;
  readonly counts: number;
  /** The random key, as `random-mask.ts` reads it. */
  readonly record: number;
  readonly bytes: number;
}

export function rowLayout(capacity: number, bins: number): RowLayout {
  const values = 64;
  const keys = values + 8 * capacity;
  const probabilities = keys + 4 * capacity;
  const randomWords = probabilities + 8 * capacity;
  const order = randomWords + 4 * capacity;
  const counts = order + 8 * capacity;
  return {
    record: 0,
    values,
    keys,
    probabilities,
    words: randomWords,
    order,
    counts,
    bytes: counts + 4 * bins,
  };
}

/** Runs `body` for each `step` bytes of `limit`, counted by the local `at`. */
const stepping = (at: number, step: number, limit: Code, ...body: Code): Code =>
  block(
    loop(
      branchIf(1, notBelow(get(at), limit)),
      body,
      set(at, addI32(get(at), i32(step))),
      branch(0),
    ),
  );
const times = (value: Code, power: number): Code => op(0x74, value, i32(power));

type Four = [number, number, number, number];

/** Writes the keys of `count` values, a multiple of four; returns the greatest. */
export function keysOf(memory: Memory, { values, keys }: RowLayout): (count: number) => number {
  const signature: Signature = { parameters: ['i32'], result: 'i32' };
  const locals = new Locals(signature);
  const [at, best] = locals.take('i32', 2) as [number, number];
  const [four, greatest] = locals.take('v128', 2) as [number, number];
  const double = times(get(at), 1);
  const body: Code = [
    stepping(
      at,
      16,
      times(get(0), 2),
      set(four, and(demote(load(double, values), load(double, values + 16)), words(0x7fffffff))),
      set(greatest, vector(0xb8, get(greatest), get(four))),
      store(get(at), get(four), keys),
    ),
    [0, 1, 2, 3].map((lane) => {
      const own: Code = [get(greatest), 0xfd, 0x1b, lane];
      return set(best, [own, get(best), op(0x4a, own, get(best)), 0x1b]);
    }),
    get(best),
  ];
  return compile(memory, signature, locals, body);
}

type Bins = (count: number, greatest: number, width: number, shift: number) => number;

const binSignature: Signature = { parameters: ['i32', 'i32', 'i32', 'i32'], result: 'i32' };

/** Four times the bin of a key: how far it lies below the greatest, at most `width`. */
function binOf(key: Code, below: number): Code {
  const [greatest, width, shift] = [1, 2, 3] as const;
  return [
    set(below, op(0x6b, get(greatest), key)),
    times(
      op(0x76, [get(below), get(width), op(0x49, get(below), get(width)), 0x1b], get(shift)),
      2,
    ),
  ];
}

/** Counts the keys of each bin. */
export function countBins(memory: Memory, { keys, counts }: RowLayout): Bins {
  const locals = new Locals(binSignature);
  const [at, below, bin] = locals.take('i32', 3) as [number, number, number];
  const body: Code = [
    stepping(
      at,
      4,
      times(get(0), 2),
      set(bin, binOf(loadI32(get(at), keys), below)),
      storeI32(get(bin), addI32(loadI32(get(bin), counts), i32(1)), counts),
    ),
    i32(0),
  ];
  return compile(memory, binSignature, locals, body);
}

/**
 * Orders the row of which `countBins` counted `bins` bins: spreads it over them, then moves what is in the wrong
 * order within one. Gives up (and returns 0) after `mostMoves` for each value.
 */
export function orderRow(
  memory: Memory,
  { keys, counts, order }: RowLayout,
  bins: number,
  mostMoves: number,
): Bins {
  const locals = new Locals(binSignature);
  const [at, below, bin, start, place, moves] = locals.take('i32', 6) as [...Four, number, number];
  const [own] = locals.take('i64', 1) as [number];
  const bytes = times(get(0), 3);
  const toStarts = stepping(
    at,
    4,
    i32(4 * bins),
    set(bin, loadI32(get(at), counts)),
    storeI32(get(at), get(start), counts),
    set(start, addI32(get(start), times(get(bin), 3))),
  );
  const spread = stepping(
    at,
    4,
    times(get(0), 2),
    set(bin, binOf(loadI32(get(at), keys), below)),
    set(start, loadI32(get(bin), counts)),
    storeI32(get(bin), addI32(get(start), i32(8)), counts),
    storeI32(get(start), loadI32(get(at), keys), order + 4),
    storeI32(get(start), op(0x73, op(0x76, get(at), i32(2)), i32(-1)), order),
  );
  const before = (address: number): Code => loadI64(get(address), order - 8);
  const settle = stepping(
    at,
    8,
    bytes,
    set(own, loadI64(get(at), order)),
    block(
      branchIf(0, op(0x59, before(at), get(own))),
      set(place, get(at)),
      block(
        loop(
          storeI64(get(place), before(place), order),
          set(place, op(0x6b, get(place), i32(8))),
          branchIf(1, op(0x45, get(place))),
          branchIf(0, op(0x53, before(place), get(own))),
        ),
      ),
      storeI64(get(place), get(own), order),
      set(moves, op(0x6b, get(moves), op(0x6b, get(at), get(place)))),
      // The end of all loops where there were too many.
      branchIf(2, op(0x48, get(moves), i32(0))),
    ),
  );
  const body: Code = [
    set(at, i32(0)),
    toStarts,
    set(at, i32(0)),
    spread,
    set(moves, op(0x6c, get(0), i32(8 * mostMoves))),
    set(at, i32(8)),
    settle,
    op(0x4e, get(moves), i32(0)),
  ];
  return compile(memory, binSignature, locals, body);
}

/** Random words of the indices from `index` on; `count` is a multiple of four. */
export function drawWords(
  memory: Memory,
  { words: target, record }: RowLayout,
): (count: number, index: number) => void {
  const signature: Signature = { parameters: ['i32', 'i32'] };
  const locals = new Locals(signature);
  const [at] = locals.take('i32', 1) as [number];
  const [place, x] = locals.take('v128', 2) as [number, number];
  const body: Code = [
    set(place, addWords(vector(0x11, get(1)), wordLanes)),
    stepping(
      at,
      16,
      times(get(0), 2),
      randomBits(place, x, i32(record)),
      store(get(at), get(x), target),
      set(place, addWords(get(place), words(4))),
    ),
  ];
  return compile(memory, signature, locals, body);
}

/**
 * Sets the values to zero whose random word is not less than the probability of their place; divides the others
 * by it where `divide` is not 0. Without branches, which half of the values would take by chance.
 */
export function dropInOrder(
  memory: Memory,
  { order, values, words: random, probabilities }: RowLayout,
): (count: number, divide: number) => void {
  const signature: Signature = { parameters: ['i32', 'i32'] };
  const locals = new Locals(signature);
  const [at, index, value] = locals.take('i32', 3) as [number, number, number];
  const [probability, divisor] = locals.take('f64', 2) as [number, number];
  const one: Code = [0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
  const two32: Code = [0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x41];
  const word = op(0xb8, loadI32(times(get(index), 2), random));
  const kept = op(0x63, word, op(0xa2, get(probability), two32));
  const body: Code = stepping(
    at,
    8,
    times(get(0), 3),
    set(index, op(0x73, loadI32(get(at), order), i32(-1))),
    set(value, times(get(index), 3)),
    set(probability, loadF64(get(at), probabilities)),
    set(divisor, [get(probability), one, get(1), 0x1b]),
    storeI64(
      get(value),
      op(
        0x83,
        op(0xbd, op(0xa3, loadF64(get(value), values), get(divisor))),
        op(0x7d, i64(0), op(0xad, kept)),
      ),
      values,
    ),
  );
  return compile(memory, signature, locals, body);
}
