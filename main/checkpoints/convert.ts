/** Stored bytes to fp32, one function for each dtype that has an honest conversion. */
import type { DType } from './dtype.ts';
import { decodeBf16, decodeFp16 } from './half.ts';

/** Converts `bytes`, which begin at an offset aligned for the dtype, into `target`. */
type Converter = (bytes: Uint8Array, target: Float32Array) => void;

/** A stored value that fp32 cannot express; the reader adds the file and tensor. */
export class NotRepresentable extends Error {
  /** Position within the converted bytes, in elements. */
  readonly index: number;

  constructor(index: number, problem: string) {
    super(problem);
    this.index = index;
  }
}

type ElementArray =
  Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array;

type ArrayType<T> = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => T;

function view<T>(type: ArrayType<T>, bytes: Uint8Array, elementBytes: number): T {
  return new type(bytes.buffer, bytes.byteOffset, bytes.byteLength / elementBytes);
}

function copying(type: ArrayType<ElementArray>, elementBytes: number): Converter {
  return (bytes, target) => {
    target.set(view(type, bytes, elementBytes));
  };
}

function checkedIntegers(type: ArrayType<Uint32Array | Int32Array>): Converter {
  return (bytes, target) => {
    const source = view(type, bytes, 4);
    for (let i = 0; i < source.length; i++) {
      const value = source[i]!;
      target[i] = value;
      if (target[i] !== value) throw new NotRepresentable(i, `the integer ${value}`);
    }
  };
}

function checkedBigIntegers(type: ArrayType<BigInt64Array | BigUint64Array>): Converter {
  return (bytes, target) => {
    const source = view(type, bytes, 8);
    for (let i = 0; i < source.length; i++) {
      const value = source[i]!;
      target[i] = Number(value);
      if (BigInt(target[i]!) !== value) throw new NotRepresentable(i, `the integer ${value}`);
    }
  };
}

const fromBool: Converter = (bytes, target) => {
  for (let i = 0; i < bytes.length; i++) {
    const value = bytes[i]!;
    if (value > 1) throw new NotRepresentable(i, `the byte ${value}, which is not true or false,`);
    target[i] = value;
  }
};

const fromFp64: Converter = (bytes, target) => {
  const source = view(Float64Array, bytes, 8);
  for (let i = 0; i < source.length; i++) {
    const value = source[i]!;
    target[i] = value;
    if (Math.abs(target[i]!) === Infinity && Math.abs(value) !== Infinity) {
      throw new NotRepresentable(i, `the number ${value}`);
    }
  }
};

/** Copies bit patterns: going through numbers could change the payload of a NaN. */
const fromFp32: Converter = (bytes, target) => {
  new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(bytes);
};

const converters: Partial<Record<DType, Converter>> = {
  BOOL: fromBool,
  U8: copying(Uint8Array, 1),
  I8: copying(Int8Array, 1),
  U16: copying(Uint16Array, 2),
  I16: copying(Int16Array, 2),
  F16: (bytes, target) => decodeFp16(view(Uint16Array, bytes, 2), target),
  BF16: (bytes, target) => decodeBf16(view(Uint16Array, bytes, 2), target),
  U32: checkedIntegers(Uint32Array),
  I32: checkedIntegers(Int32Array),
  F32: fromFp32,
  F64: fromFp64,
  I64: checkedBigIntegers(BigInt64Array),
  U64: checkedBigIntegers(BigUint64Array),
};

/** The conversion of a dtype to fp32; undefined when there is none. It may throw NotRepresentable. */
export function converterOf(dtype: DType): Converter | undefined {
  return converters[dtype];
}
