/**
 * Loops over rows of small fp64 matrices as vector code, all in one memory: what a call of the engine is too
 * long for, and what takes V8's own code three times as long. Lengths are multiples of LANES.
 */
import {
  add,
  addI32,
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
  multiply,
  notBelow,
  op,
  set,
  store,
  subtract,
  vector,
  zeros,
  type Code,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

/** Values that are worked on at a time; rows are padded to a multiple. */
const LANES = 4;
const BYTES = 8;
const STEP = LANES * BYTES;

/** The same fp64 twice. */
const spread = (local: number): Code => vector(0x14, get(local));
const lane = (index: 0 | 1, local: number): Code => [get(local), 0xfd, 0x21, index];

/** Runs `body` while `place` is below `end`; the other places move along. */
const along = (place: number, end: number, others: readonly number[], body: Code): Code =>
  block(
    loop(
      branchIf(1, notBelow(get(place), get(end))),
      body,
      [place, ...others].map((each) => set(each, addI32(get(each), i32(STEP)))),
      branch(0),
    ),
  );

const halves = [0, 16] as const;

/** Σ x y of [x, end) and what is as far from y on. */
function dotOf(memory: Memory) {
  const [x, end, y] = [0, 1, 2] as const;
  const signature: Signature = { parameters: ['i32', 'i32', 'i32'], result: 'f64' };
  const locals = new Locals(signature);
  const sums = locals.take('v128', 2);
  const [even = 0, odd = 0] = sums;
  return compile(memory, signature, locals, [
    sums.map((sum) => set(sum, zeros)),
    along(
      x,
      end,
      [y],
      sums.map((sum, i) =>
        set(sum, add(get(sum), multiply(load(get(x), halves[i]), load(get(y), halves[i])))),
      ),
    ),
    set(even, add(get(even), get(odd))),
    op(0xa0, lane(0, even), lane(1, even)),
  ]);
}

/** x ← x − a y − b z on [x, end). */
function takeOf(memory: Memory) {
  const [x, end, y, z, a, b] = [0, 1, 2, 3, 4, 5] as const;
  const signature: Signature = { parameters: ['i32', 'i32', 'i32', 'i32', 'f64', 'f64'] };
  const locals = new Locals(signature);
  const [first = 0, second = 0] = locals.take('v128', 2);
  return compile(memory, signature, locals, [
    set(first, spread(a)),
    set(second, spread(b)),
    along(
      x,
      end,
      [y, z],
      halves.map((at) =>
        store(
          get(x),
          subtract(
            subtract(load(get(x), at), multiply(get(first), load(get(y), at))),
            multiply(get(second), load(get(z), at)),
          ),
          at,
        ),
      ),
    ),
  ]);
}

/** (x, y) ← (c x − s y, s x + c y) on [x, end). */
function rotateOf(memory: Memory) {
  const [x, end, y, c, s] = [0, 1, 2, 3, 4] as const;
  const signature: Signature = { parameters: ['i32', 'i32', 'i32', 'f64', 'f64'] };
  const locals = new Locals(signature);
  const [cosine = 0, sine = 0, top = 0, bottom = 0] = locals.take('v128', 4);
  return compile(memory, signature, locals, [
    set(cosine, spread(c)),
    set(sine, spread(s)),
    along(
      x,
      end,
      [y],
      halves.map((at) => [
        set(top, load(get(x), at)),
        set(bottom, load(get(y), at)),
        store(
          get(x),
          subtract(multiply(get(cosine), get(top)), multiply(get(sine), get(bottom))),
          at,
        ),
        store(get(y), add(multiply(get(sine), get(top)), multiply(get(cosine), get(bottom))), at),
      ]),
    ),
  ]);
}

/** Places and lengths in values; `from` and `end` bound the first operand. */
export interface RowKernels {
  readonly values: Float64Array;
  readonly dot: (from: number, end: number, other: number) => number;
  /** x ← x − a y − b z. */
  readonly take: (from: number, end: number, y: number, a: number, z: number, b: number) => void;
  /** (x, y) ← (c x − s y, s x + c y). */
  readonly rotate: (from: number, end: number, other: number, c: number, s: number) => void;
}

function kernelsOf(count: number): RowKernels {
  const memory = memoryOf(count * BYTES);
  const [dot, take, rotate] = [dotOf(memory), takeOf(memory), rotateOf(memory)];
  return {
    values: new Float64Array(memory.buffer),
    dot: (from, end, other) => dot(from * BYTES, end * BYTES, other * BYTES),
    take: (from, end, y, a, z, b) => {
      take(from * BYTES, end * BYTES, y * BYTES, z * BYTES, a, b);
    },
    rotate: (from, end, other, c, s) => {
      rotate(from * BYTES, end * BYTES, other * BYTES, c, s);
    },
  };
}

let kernels: RowKernels | undefined;

/** With room for so many values; what was in there is gone. */
export function rowKernels(count: number): RowKernels {
  if (kernels === undefined || kernels.values.length < count) kernels = kernelsOf(count);
  return kernels;
}

/** Down to a multiple of LANES. */
export function lanesBefore(place: number): number {
  return place - (place % LANES);
}

/** Up to a multiple of LANES. */
export function lanesFor(count: number): number {
  return lanesBefore(count + LANES - 1);
}
