/**
 * The instructions of the pickle format, as a closed table, and how their arguments are read.
 * `weights` marks the few that torch.save needs; everything else stops the reader.
 * Names and codes: CPython's pickletools.
 */
import { isUtf8 } from 'node:buffer';

/** What `PickleCursor` could not read; the caller adds the file. */
export class PickleFault extends Error {
  readonly code: 'pickle_invalid' | 'pickle_limit';
  /** The bytes ended too early, which more bytes might heal. */
  readonly ended: boolean;

  constructor(code: 'pickle_invalid' | 'pickle_limit', problem: string, ended = false) {
    super(problem);
    this.code = code;
    this.ended = ended;
  }
}

const MAX_TEXT_BYTES = 1024 * 1024;
const MAX_INTEGER_BYTES = 8;
const NEWLINE = 0x0a;

/** Reads arguments from a pickle; every length is checked before anything is taken. */
export class PickleCursor {
  readonly bytes: Buffer;
  position: number;

  constructor(bytes: Uint8Array, position = 0) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = position;
  }

  /** Moves past `count` bytes and returns where they begin. */
  #take(count: number): number {
    const begin = this.position;
    if (count > this.bytes.length - begin) {
      throw new PickleFault('pickle_invalid', `it ends at byte ${this.bytes.length}`, true);
    }
    this.position = begin + count;
    return begin;
  }

  uint8(): number {
    return this.bytes[this.#take(1)]!;
  }

  uint16(): number {
    return this.bytes.readUInt16LE(this.#take(2));
  }

  uint32(): number {
    return this.bytes.readUInt32LE(this.#take(4));
  }

  int32(): number {
    return this.bytes.readInt32LE(this.#take(4));
  }

  uint64(): number {
    return Number(this.bytes.readBigUInt64LE(this.#take(8)));
  }

  float64(): number {
    return this.bytes.readDoubleBE(this.#take(8));
  }

  /** A two's complement integer of the given length, exact. */
  integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) {
      throw new PickleFault('pickle_limit', `an integer of ${length} bytes`);
    }
    const begin = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[begin + i]!);
    value = BigInt.asIntN(length * 8, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  text(length: number): string {
    const bytes = this.raw(length);
    if (!isUtf8(bytes)) {
      throw new PickleFault('pickle_invalid', `the text at byte ${this.position} is not UTF-8`);
    }
    return bytes.toString('utf8');
  }

  raw(length: number): Buffer {
    if (length > MAX_TEXT_BYTES) {
      throw new PickleFault('pickle_limit', `a text of ${length} bytes`);
    }
    const begin = this.#take(length);
    return this.bytes.subarray(begin, begin + length);
  }

  /** Text up to the next line feed. */
  line(): string {
    const end = this.bytes.indexOf(NEWLINE, this.position);
    const length = (end < 0 ? this.bytes.length + 1 : end) - this.position;
    const text = this.text(length);
    this.position++;
    return text;
  }
}

/** A value an argument can have; two lines (module and name) are joined by a space. */
type Argument = number | bigint | string | undefined;

const argumentReaders = {
  none: () => undefined,
  uint8: (cursor) => cursor.uint8(),
  uint16: (cursor) => cursor.uint16(),
  uint32: (cursor) => cursor.uint32(),
  int32: (cursor) => cursor.int32(),
  uint64: (cursor) => cursor.uint64(),
  float64: (cursor) => cursor.float64(),
  line: (cursor) => cursor.line(),
  twoLines: (cursor) => `${cursor.line()} ${cursor.line()}`,
  integer1: (cursor) => cursor.integer(cursor.uint8()),
  integer4: (cursor) => cursor.integer(cursor.uint32()),
  text1: (cursor) => cursor.text(cursor.uint8()),
  text4: (cursor) => cursor.text(cursor.uint32()),
  text8: (cursor) => cursor.text(cursor.uint64()),
  bytes1: (cursor) => cursor.raw(cursor.uint8()).toString('latin1'),
  bytes4: (cursor) => cursor.raw(cursor.uint32()).toString('latin1'),
  bytes8: (cursor) => cursor.raw(cursor.uint64()).toString('latin1'),
} as const satisfies Record<string, (cursor: PickleCursor) => Argument>;

type ArgumentKind = keyof typeof argumentReaders;

/** The instructions plain weights are made of. */
const weights = {
  MARK: ['(', 'none'],
  STOP: ['.', 'none'],
  BININT: ['J', 'int32'],
  BININT1: ['K', 'uint8'],
  BININT2: ['M', 'uint16'],
  NONE: ['N', 'none'],
  BINPERSID: ['Q', 'none'],
  REDUCE: ['R', 'none'],
  SHORT_BINSTRING: ['U', 'text1'],
  BINUNICODE: ['X', 'text4'],
  APPEND: ['a', 'none'],
  BUILD: ['b', 'none'],
  GLOBAL: ['c', 'twoLines'],
  EMPTY_DICT: ['}', 'none'],
  APPENDS: ['e', 'none'],
  BINGET: ['h', 'uint8'],
  LONG_BINGET: ['j', 'uint32'],
  EMPTY_LIST: [']', 'none'],
  BINPUT: ['q', 'uint8'],
  LONG_BINPUT: ['r', 'uint32'],
  SETITEM: ['s', 'none'],
  TUPLE: ['t', 'none'],
  EMPTY_TUPLE: [')', 'none'],
  SETITEMS: ['u', 'none'],
  BINFLOAT: ['G', 'float64'],
  PROTO: ['\x80', 'uint8'],
  NEWOBJ: ['\x81', 'none'],
  TUPLE1: ['\x85', 'none'],
  TUPLE2: ['\x86', 'none'],
  TUPLE3: ['\x87', 'none'],
  NEWTRUE: ['\x88', 'none'],
  NEWFALSE: ['\x89', 'none'],
  LONG1: ['\x8a', 'integer1'],
} as const satisfies Record<string, readonly [string, ArgumentKind]>;

/** The rest of the format: recognised, so that errors can name it, and never run. */
const others = {
  POP: ['0', 'none'],
  POP_MARK: ['1', 'none'],
  DUP: ['2', 'none'],
  FLOAT: ['F', 'line'],
  INT: ['I', 'line'],
  LONG: ['L', 'line'],
  PERSID: ['P', 'line'],
  STRING: ['S', 'line'],
  BINSTRING: ['T', 'bytes4'],
  UNICODE: ['V', 'line'],
  DICT: ['d', 'none'],
  GET: ['g', 'line'],
  INST: ['i', 'twoLines'],
  LIST: ['l', 'none'],
  OBJ: ['o', 'none'],
  PUT: ['p', 'line'],
  EXT1: ['\x82', 'uint8'],
  EXT2: ['\x83', 'uint16'],
  EXT4: ['\x84', 'int32'],
  LONG4: ['\x8b', 'integer4'],
  BINBYTES: ['B', 'bytes4'],
  SHORT_BINBYTES: ['C', 'bytes1'],
  SHORT_BINUNICODE: ['\x8c', 'text1'],
  BINUNICODE8: ['\x8d', 'text8'],
  BINBYTES8: ['\x8e', 'bytes8'],
  EMPTY_SET: ['\x8f', 'none'],
  ADDITEMS: ['\x90', 'none'],
  FROZENSET: ['\x91', 'none'],
  NEWOBJ_EX: ['\x92', 'none'],
  STACK_GLOBAL: ['\x93', 'none'],
  MEMOIZE: ['\x94', 'none'],
  FRAME: ['\x95', 'uint64'],
  BYTEARRAY8: ['\x96', 'bytes8'],
  NEXT_BUFFER: ['\x97', 'none'],
  READONLY_BUFFER: ['\x98', 'none'],
} as const satisfies Record<string, readonly [string, ArgumentKind]>;

export type WeightsOpcode = keyof typeof weights;
type OtherOpcode = keyof typeof others;

interface OpcodeRow<Name extends string> {
  readonly name: Name;
  readonly readArgument: (cursor: PickleCursor) => Argument;
}

export type Opcode =
  | (OpcodeRow<WeightsOpcode> & { readonly weights: true })
  | (OpcodeRow<OtherOpcode> & { readonly weights: false });

const byCode: (Opcode | undefined)[] = [];
for (const [name, [code, kind]] of Object.entries(weights)) {
  const row = { name: name as WeightsOpcode, readArgument: argumentReaders[kind] };
  byCode[code.charCodeAt(0)] = { ...row, weights: true };
}
for (const [name, [code, kind]] of Object.entries(others)) {
  const row = { name: name as OtherOpcode, readArgument: argumentReaders[kind] };
  byCode[code.charCodeAt(0)] = { ...row, weights: false };
}

/** The instruction of a byte; undefined when the format has none. */
export function opcodeOf(byte: number): Opcode | undefined {
  return byCode[byte];
}
