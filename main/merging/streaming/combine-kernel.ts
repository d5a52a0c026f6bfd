/**
 * (Σ wk θk) / d of bf16 values, straight from stored bytes to stored bytes, as a WebAssembly function that
 * takes four values at a time: V8 does not turn loops over typed arrays into vector instructions, and the
 * memory a weighted mean moves could be read several times as fast as JavaScript computes it. It does the
 * same operations in the same order as `merge` of these methods (products added up from zero in fp64, one
 * division, rounded to fp32, rounded to bf16), so the bytes are the same.
 */

interface Memory {
  readonly buffer: ArrayBuffer;
}

/** As much of it as is used here: Node's own types leave it out. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => Memory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** One instruction, and whatever follows it in the code. */
type Code = readonly (number | Code)[];

const flat = (code: Code): number[] =>
  code.flatMap((part) => (typeof part === 'number' ? [part] : flat(part)));

/** LEB128; unsigned where the number is not negative and below 64, which both forms share. */
function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

/** LEB128 of a length. */
function size(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

const I32 = 0x7f;
const F64 = 0x7c;
const V128 = 0x7b;
const EMPTY = 0x40;

const get = (local: number): Code => [0x20, local];
const set = (local: number, value: Code): Code => [value, 0x21, local];
const i32 = (value: number): Code => [0x41, leb(value)];
const addI32 = (left: Code, right: Code): Code => [left, right, 0x6a];
const loop = (...body: Code): Code => [0x03, EMPTY, body, 0x0b];
const block = (...body: Code): Code => [0x02, EMPTY, body, 0x0b];
const branchIf = (depth: number, condition: Code): Code => [condition, 0x0d, depth];

/** A vector instruction on operands that are on the stack already. */
const vector = (opcode: number, ...operands: Code): Code => [operands, 0xfd, size(opcode)];
const unaligned = [0, 0];
const shuffle = (left: Code, right: Code, lanes: readonly number[]): Code => [
  left,
  right,
  0xfd,
  0x0d,
  lanes,
];
const lanes = (from: number): number[] => Array.from({ length: 8 }, (_, lane) => from + lane);
/** The same two bytes in all lanes. */
const halves = (pattern: number): Code => [
  0xfd,
  0x0c,
  Array.from({ length: 8 }, () => [pattern & 0xff, pattern >>> 8]),
];
const zeros = halves(0);
const add = (left: Code, right: Code): Code => vector(0xf0, left, right);
const multiply = (left: Code, right: Code): Code => vector(0xf2, left, right);
const divide = (left: Code, right: Code): Code => vector(0xf3, left, right);
const promoteLow = (value: Code): Code => vector(0x5f, value);
const demote = (value: Code): Code => vector(0x5e, value);
const shiftLeft = (value: Code, bits: number): Code => vector(0xab, value, i32(bits));
const shiftRight = (value: Code, bits: number): Code => vector(0xad, value, i32(bits));
const addWords = (left: Code, right: Code): Code => vector(0xae, left, right);
const and = (left: Code, right: Code): Code => vector(0x4e, left, right);
const or = (left: Code, right: Code): Code => vector(0x50, left, right);
/** Sets the upper bit of each half whose exponent is all ones. */
const exponentCarry = (value: Code): Code =>
  vector(0x8e, and(value, halves(0x7f80)), halves(0x0080));

// Parameters: the inputs one after another, `stride` bytes apart; how many; their weights; the divisor;
// the output; how many bytes each has, a multiple of eight. Then the locals.
const [inputs, stride, models, weights, divisor, output, bytes] = [0, 1, 2, 3, 4, 5, 6];
const [offset, model, at, seen, low, high, values, weight, divisors] = [
  7, 8, 9, 10, 11, 12, 13, 14, 15,
];

/** Adds weight × value of one input, four values wide. */
const addModel: Code = [
  set(values, [get(at), 0xfd, 0x5d, unaligned]),
  set(seen, or(get(seen), exponentCarry(get(values)))),
  set(weight, [addI32(get(weights), [get(model), i32(3), 0x74]), 0xfd, 0x0a, unaligned]),
  set(values, shiftLeft(vector(0xa9, get(values)), 16)),
  set(low, add(get(low), multiply(get(weight), promoteLow(get(values))))),
  set(
    high,
    add(
      get(high),
      multiply(
        get(weight),
        promoteLow(shuffle(get(values), get(values), [...lanes(8), ...lanes(8)])),
      ),
    ),
  ),
  set(at, addI32(get(at), get(stride))),
  set(model, addI32(get(model), i32(1))),
];

/** Rounds four sums to bf16 and stores them. */
const store: Code = [
  set(
    values,
    shuffle(demote(divide(get(low), get(divisors))), demote(divide(get(high), get(divisors))), [
      ...lanes(0),
      ...lanes(16),
    ]),
  ),
  // To nearest, ties to even: half a step less one, plus the last bit that stays.
  set(
    values,
    shiftRight(
      addWords(addWords(get(values), words(0x7fff)), and(shiftRight(get(values), 16), words(1))),
      16,
    ),
  ),
  set(values, vector(0x86, get(values), get(values))),
  set(seen, or(get(seen), exponentCarry(get(values)))),
  [addI32(get(output), get(offset)), get(values), 0xfd, 0x5b, unaligned, 0],
];

/** The same word in all four lanes. */
function words(pattern: number): Code {
  return [
    0xfd,
    0x0c,
    Array.from({ length: 4 }, () => [pattern & 0xff, (pattern >>> 8) & 0xff, 0, 0]),
  ];
}

const body: Code = [
  set(divisors, vector(0x14, get(divisor))),
  block(
    loop(
      branchIf(1, [get(offset), get(bytes), 0x4f]),
      set(low, zeros),
      set(high, zeros),
      set(model, i32(0)),
      set(at, addI32(get(inputs), get(offset))),
      loop(addModel, branchIf(0, [get(model), get(models), 0x49])),
      store,
      set(offset, addI32(get(offset), i32(8))),
      [0x0c, 0],
    ),
  ),
  vector(0x53, and(get(seen), halves(0x8000))),
];

function section(id: number, ...content: Code): Code {
  const contents = flat(content);
  return [id, size(contents.length), contents];
}

function assemble(): Uint8Array<ArrayBuffer> {
  const text = (word: string): Code => [word.length, [...Buffer.from(word)]];
  const parameters = [I32, I32, I32, I32, F64, I32, I32];
  const locals = [2, 3, I32, 6, V128];
  const code = flat([locals, body, 0x0b]);
  return Uint8Array.from(
    flat([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, 1, 0x60, parameters.length, parameters, 1, I32),
      section(2, 1, text('kernel'), text('memory'), 0x02, 0, 1),
      section(3, 1, 0),
      section(7, 1, text('combine'), 0, 0),
      section(10, 1, size(code.length), code),
    ]),
  );
}

type Combine = (
  inputs: number,
  stride: number,
  models: number,
  weights: number,
  divisor: number,
  output: number,
  bytes: number,
) => number;

const PAGE = 65_536;
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
    this.#memory = new WebAssembly.Memory({ initial: Math.ceil(needed / PAGE) });
    new Float64Array(this.#memory.buffer, 0, count).set(weightsOfInputs);
    const module = new WebAssembly.Module(assemble());
    const instance = new WebAssembly.Instance(module, { kernel: { memory: this.#memory } });
    this.#combine = instance.exports['combine'] as Combine;
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
