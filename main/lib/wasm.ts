/**
 * Just enough of an assembler for WebAssembly functions with vector instructions: V8 does not turn loops
 * over typed arrays into such, and takes several times as long. Instructions are written as nested lists,
 * operands first, with the opcodes of the specification.
 */

export interface Memory {
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

const PAGE = 65_536;

export function memoryOf(bytes: number): Memory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
}

/** One instruction, and whatever follows it in the code. */
export type Code = readonly (number | Code)[];

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

const types = { i32: 0x7f, i64: 0x7e, f64: 0x7c, v128: 0x7b } as const;
type Type = keyof typeof types;
const EMPTY = 0x40;

export const get = (local: number): Code => [0x20, local];
export const set = (local: number, value: Code): Code => [value, 0x21, local];
export const i32 = (value: number): Code => [0x41, leb(value)];
export const i64 = (value: number): Code => [0x42, leb(value)];
/** An instruction without immediates, on its operands. */
export const op = (opcode: number, ...operands: Code): Code => [operands, opcode];
export const addI32 = (left: Code, right: Code): Code => [left, right, 0x6a];
export const loop = (...body: Code): Code => [0x03, EMPTY, body, 0x0b];
export const block = (...body: Code): Code => [0x02, EMPTY, body, 0x0b];
export const branch = (depth: number): Code => [0x0c, depth];
export const branchIf = (depth: number, condition: Code): Code => [condition, 0x0d, depth];
export const below = (left: Code, right: Code): Code => [left, right, 0x49];
export const notBelow = (left: Code, right: Code): Code => [left, right, 0x4f];

/** A vector instruction on operands that are on the stack already. */
export const vector = (opcode: number, ...operands: Code): Code => [operands, 0xfd, size(opcode)];
/** Of a load or store: no alignment is promised. */
const memarg = (offset: number): Code => [0, size(offset)];
const loading =
  (opcode: number) =>
  (address: Code, offset = 0): Code => [address, 0xfd, size(opcode), memarg(offset)];
export const load = loading(0x00);
/** Four words the same, or two fp64. */
export const loadWords = loading(0x09);
export const loadDoubles = loading(0x0a);
/** Into the lower half. */
export const loadHalf = loading(0x5d);
const loadingLane =
  (opcode: number) =>
  (address: Code, value: Code, lane: number, offset = 0): Code => [
    address,
    value,
    0xfd,
    size(opcode),
    memarg(offset),
    lane,
  ];
/** A word, or an fp64, into one lane of a vector. */
export const loadLane = loadingLane(0x56);
export const loadDoubleLane = loadingLane(0x57);
export const store = (address: Code, value: Code, offset = 0): Code => [
  address,
  value,
  0xfd,
  0x0b,
  memarg(offset),
];
/** Of the lower half. */
export const storeHalf = (address: Code, value: Code): Code => [
  address,
  value,
  0xfd,
  0x5b,
  memarg(0),
  0,
];
const scalarLoad =
  (opcode: number) =>
  (address: Code, offset = 0): Code => [address, opcode, memarg(offset)];
export const loadI32 = scalarLoad(0x28);
export const loadI64 = scalarLoad(0x29);
export const loadF64 = scalarLoad(0x2b);
const scalarStore =
  (opcode: number) =>
  (address: Code, value: Code, offset = 0): Code => [address, value, opcode, memarg(offset)];
export const storeI32 = scalarStore(0x36);
export const storeI64 = scalarStore(0x37);

const shuffle = (left: Code, right: Code, lanes: readonly number[]): Code => [
  left,
  right,
  0xfd,
  0x0d,
  lanes,
];
const lanes = (from: number): number[] => Array.from({ length: 8 }, (_, lane) => from + lane);
const constant = (pattern: readonly number[]): Code => [
  0xfd,
  0x0c,
  Array.from({ length: 16 / pattern.length }, () => pattern),
];
/** The same two bytes in all lanes. */
export const halves = (pattern: number): Code => constant([pattern & 0xff, pattern >>> 8]);
/** The same word in all four lanes. */
export const words = (pattern: number): Code =>
  constant([0, 8, 16, 24].map((bit) => (pattern >>> bit) & 0xff));
/** The words 0, 1, 2, 3. */
export const wordLanes = constant([0, 1, 2, 3].flatMap((word) => [word, 0, 0, 0]));
export const zeros = halves(0);
/** 1 as fp64. */
export const ones = constant([0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);

export const and = (left: Code, right: Code): Code => vector(0x4e, left, right);
export const or = (left: Code, right: Code): Code => vector(0x50, left, right);
export const xor = (left: Code, right: Code): Code => vector(0x51, left, right);
/** Bits of `yes` where those of the mask are set, else of `no`. */
export const select = (yes: Code, no: Code, mask: Code): Code => vector(0x52, yes, no, mask);
export const anyBit = (value: Code): Code => vector(0x53, value);

export const shiftLeft = (value: Code, bits: number): Code => vector(0xab, value, i32(bits));
export const shiftRight = (value: Code, bits: number): Code => vector(0xad, value, i32(bits));
export const addWords = (left: Code, right: Code): Code => vector(0xae, left, right);
export const multiplyWords = (left: Code, right: Code): Code => vector(0xb5, left, right);

export const add = (left: Code, right: Code): Code => vector(0xf0, left, right);
export const subtract = (left: Code, right: Code): Code => vector(0xf1, left, right);
export const multiply = (left: Code, right: Code): Code => vector(0xf2, left, right);
export const divide = (left: Code, right: Code): Code => vector(0xf3, left, right);
export const magnitude = (value: Code): Code => vector(0xec, value);
export const isZero = (value: Code): Code => vector(0x47, value, zeros);
export const falls = (value: Code): Code => vector(0x49, value, zeros);
export const rises = (value: Code): Code => vector(0x4a, value, zeros);
export const fallsNot = (value: Code): Code => vector(0x4c, value, zeros);

/** The lower and the upper two of four fp32 as fp64. */
export const promoteLow = (value: Code): Code => vector(0x5f, value);
export const promoteHigh = (local: number): Code =>
  promoteLow(shuffle(get(local), get(local), [...lanes(8), ...lanes(8)]));
/** Two pairs of fp64 as four fp32. */
export const demote = (low: Code, high: Code): Code =>
  shuffle(vector(0x5e, low), vector(0x5e, high), [...lanes(0), ...lanes(16)]);
/** The fp64 of this lane of two locals. */
export const doublesOf = (left: number, right: number, lane: 0 | 1): Code =>
  shuffle(get(left), get(right), [...lanes(8 * lane), ...lanes(16 + 8 * lane)]);
/** Masks of words as masks of fp64. */
export const widenLow = (mask: Code): Code => vector(0xc7, mask);
export const widenHigh = (mask: Code): Code => vector(0xc8, mask);

/** Sets the upper bit of each half whose exponent is all ones. */
export const exponentCarry = (value: Code): Code =>
  vector(0x8e, and(value, halves(0x7f80)), halves(0x0080));
/**
 * Four fp32 rounded to bf16 in the lower halves of their words, to nearest, ties to even: half a step less
 * one, plus the last bit that stays.
 */
export const roundedToHalf = (local: number): Code =>
  shiftRight(
    addWords(addWords(get(local), words(0x7fff)), and(shiftRight(get(local), 16), words(1))),
    16,
  );

function section(id: number, ...content: Code): Code {
  const contents = flat(content);
  return [id, size(contents.length), contents];
}

export interface Signature {
  readonly parameters: readonly Type[];
  readonly result?: Type;
}

/** Locals of a function, numbered behind its parameters in the order of their types. */
export class Locals {
  readonly #counts = new Map<Type, number>();
  readonly #first: number;

  constructor({ parameters }: Signature) {
    this.#first = parameters.length;
  }

  /** All of a type at once, and of the types one after another. */
  take(type: Type, count: number): number[] {
    const used = [...this.#counts.values()].reduce((sum, each) => sum + each, this.#first);
    if (this.#counts.has(type)) throw new Error(`locals of type ${type} were taken already`);
    this.#counts.set(type, count);
    return Array.from({ length: count }, (_, index) => used + index);
  }

  get code(): Code {
    const counts = [...this.#counts].map(([type, count]) => [size(count), types[type]]);
    return [counts.length, counts];
  }
}

/** A call with operands of the signature; without a result it gives `undefined`. */
type WasmFunction = (...operands: number[]) => number;

/** Compiles a function that works in `memory`. */
export function compile(
  memory: Memory,
  { parameters, result }: Signature,
  locals: Locals,
  body: Code,
): WasmFunction {
  const text = (word: string): Code => [word.length, [...Buffer.from(word)]];
  const results = result === undefined ? [] : [types[result]];
  const code = flat([locals.code, body, 0x0b]);
  const bytes = Uint8Array.from(
    flat([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(
        1,
        1,
        0x60,
        parameters.length,
        parameters.map((type) => types[type]),
        results.length,
        results,
      ),
      section(2, 1, text('kernel'), text('memory'), 0x02, 0, 1),
      section(3, 1, 0),
      section(7, 1, text('run'), 0, 0),
      section(10, 1, size(code.length), code),
    ]),
  );
  const module = new WebAssembly.Module(bytes);
  return new WebAssembly.Instance(module, { kernel: { memory } }).exports['run'] as WasmFunction;
}
