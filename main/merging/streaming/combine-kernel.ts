/**
 * (Σ wk θk) / d of bf16 values, straight from stored bytes to stored bytes, as a WebAssembly function that
 * takes four values at a time: V8 does not turn loops over typed arrays into vector instructions, and the
 * memory a weighted mean moves could be read several times as fast as JavaScript computes it. It does the
 * same operations in the same order as `merge` of these methods (products added up from zero in fp64, one
 * division, rounded to fp32, rounded to bf16), so the bytes are the same.
 */
import {
  add,
  addI32,
  and,
  anyBit,
  below,
  block,
  branch,
  branchIf,
  compile,
  demote,
  divide,
  exponentCarry,
  get,
  halves,
  i32,
  loadDoubles,
  loadHalf,
  Locals,
  loop,
  memoryOf,
  multiply,
  notBelow,
  or,
  promoteHigh,
  promoteLow,
  roundedToHalf,
  set,
  shiftLeft,
  storeHalf,
  vector,
  zeros,
  type Code,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

// Parameters: the inputs one after another, `stride` bytes apart; how many; their weights; the divisor;
// the output; how many bytes each has, a multiple of eight. Then the locals.
const [inputs, stride, models, weights, divisor, output, bytes] = [0, 1, 2, 3, 4, 5, 6];
const signature: Signature = {
  parameters: ['i32', 'i32', 'i32', 'i32', 'f64', 'i32', 'i32'],
  result: 'i32',
};
const locals = new Locals(signature);
const [offset, model, at] = locals.take('i32', 3) as [number, number, number];
const [seen, low, high, values, weight, divisors] = locals.take('v128', 6) as [
  number,
  number,
  number,
  number,
  number,
  number,
];

/** Adds weight × value of one input, four values wide. */
const addModel: Code = [
  set(values, loadHalf(get(at))),
  set(seen, or(get(seen), exponentCarry(get(values)))),
  set(weight, loadDoubles(addI32(get(weights), [get(model), i32(3), 0x74]))),
  set(values, shiftLeft(vector(0xa9, get(values)), 16)),
  set(low, add(get(low), multiply(get(weight), promoteLow(get(values))))),
  set(high, add(get(high), multiply(get(weight), promoteHigh(values)))),
  set(at, addI32(get(at), get(stride))),
  set(model, addI32(get(model), i32(1))),
];

/** Rounds four sums to bf16 and stores them. */
const write: Code = [
  set(values, demote(divide(get(low), get(divisors)), divide(get(high), get(divisors)))),
  set(values, roundedToHalf(values)),
  set(values, vector(0x86, get(values), get(values))),
  set(seen, or(get(seen), exponentCarry(get(values)))),
  storeHalf(addI32(get(output), get(offset)), get(values)),
];

const body: Code = [
  set(divisors, vector(0x14, get(divisor))),
  block(
    loop(
      branchIf(1, notBelow(get(offset), get(bytes))),
      set(low, zeros),
      set(high, zeros),
      set(model, i32(0)),
      set(at, addI32(get(inputs), get(offset))),
      loop(addModel, branchIf(0, below(get(model), get(models)))),
      write,
      set(offset, addI32(get(offset), i32(8))),
      branch(0),
    ),
  ),
  anyBit(and(get(seen), halves(0x8000))),
];

type Combine = (
  inputs: number,
  stride: number,
  models: number,
  weights: number,
  divisor: number,
  output: number,
  bytes: number,
) => number;

const ALIGNMENT = 64;

/** Memory for a number of inputs of a tile, and the function that works in it. */
export class CombineKernel {
  readonly #combine: Combine;
  readonly #memory: Memory;
  readonly #weights: readonly number[];
  readonly #divisor: number;
  readonly #stride: number;
  readonly #inputs: number;

  /** For tiles of at most `tileValues` values. */
  constructor(weightsOfInputs: readonly number[], divisorOfSum: number, tileValues: number) {
    this.#weights = weightsOfInputs;
    this.#divisor = divisorOfSum;
    this.#stride = Math.ceil((tileValues * 2) / ALIGNMENT) * ALIGNMENT;
    const count = weightsOfInputs.length;
    this.#inputs = Math.ceil((count * 8) / ALIGNMENT) * ALIGNMENT;
    const needed = this.#inputs + (count + 1) * this.#stride;
    this.#memory = memoryOf(needed);
    new Float64Array(this.#memory.buffer, 0, count).set(weightsOfInputs);
    this.#combine = compile(this.#memory, signature, locals, body);
  }

  /** Where the stored bytes of an input go; to be filled before `combine`. */
  input(index: number, byteLength: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, this.#inputs + index * this.#stride, byteLength);
  }

  /** The stored bytes of the result; undefined where an input, a sum or what it is rounded to is not finite. */
  combine(byteLength: number): Uint8Array | undefined {
    const count = this.#weights.length;
    const padded = Math.ceil(byteLength / 8) * 8;
    // What an earlier, longer tile left behind the end could look like a fault.
    for (let k = 0; k < count; k++) this.input(k, padded).fill(0, byteLength);
    const at = this.#inputs + count * this.#stride;
    const bad = this.#combine(this.#inputs, this.#stride, count, 0, this.#divisor, at, padded);
    return bad === 0 ? new Uint8Array(this.#memory.buffer, at, byteLength) : undefined;
  }
}
