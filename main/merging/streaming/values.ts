/**
 * The loops between stored bytes and fp32, with the search for NaN and infinite values inside them. The
 * 16-bit formats go two values at a time, as one 32-bit word. Adding one to an exponent of all ones, and
 * only to such a one, carries into the bit above it: that bit, collected over all values, tells whether
 * every one of them is finite.
 */
import { converterOf } from '../../checkpoints/convert.ts';
import type { DType } from '../../checkpoints/dtype.ts';
import { encodeFp16, findNonFinite } from '../../checkpoints/half.ts';
import type { OutputDType } from '../../checkpoints/writer.ts';

const EXPONENT = 0x7f800000;
const EXPONENT_ONE = 0x00800000;
/** The same of two bf16 in one word. */
const BF16_EXPONENTS = 0x7f807f80;
const BF16_ONES = 0x00800080;
const BF16_CARRIES = 0x80008000;

/** Converts to fp32; returns whether all values are finite. `bytes` begin at a multiple of eight. */
type Decode = (bytes: Uint8Array, target: Float32Array) => boolean;

const decodeBf16: Decode = (bytes, target) => {
  const pairs = target.length >>> 1;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, pairs);
  const bits = new Int32Array(target.buffer, target.byteOffset, target.length);
  let seen = 0;
  for (let i = 0, at = 0; i < pairs; i++, at += 2) {
    const word = words[i]!;
    seen |= (word & BF16_EXPONENTS) + BF16_ONES;
    bits[at] = word << 16;
    bits[at + 1] = word & 0xffff0000;
  }
  if ((target.length & 1) === 1) {
    const last = bytes[bytes.length - 2]! | (bytes[bytes.length - 1]! << 8);
    seen |= (last & BF16_EXPONENTS) + BF16_ONES;
    bits[target.length - 1] = last << 16;
  }
  return (seen & BF16_CARRIES) === 0;
};

const decodeFp32: Decode = (bytes, target) => {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, target.length);
  const bits = new Int32Array(target.buffer, target.byteOffset, target.length);
  let seen = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    seen |= (word & EXPONENT) + EXPONENT_ONE;
    bits[i] = word;
  }
  return seen >= 0;
};

/** How stored bytes of a dtype become fp32; undefined where they cannot. It may throw NotRepresentable. */
export function decoderOf(dtype: DType): Decode | undefined {
  if (dtype === 'BF16') return decodeBf16;
  if (dtype === 'F32') return decodeFp32;
  const convert = converterOf(dtype);
  if (convert === undefined) return undefined;
  return (bytes, target) => {
    convert(bytes, target);
    return findNonFinite(target).count === 0;
  };
}

/**
 * Rounds fp32 to nearest, ties to even, once; `target` begins at a multiple of four. Returns whether all
 * values and all rounded ones are finite; what was written otherwise means nothing.
 */
type Encode = (values: Float32Array, target: Uint8Array) => boolean;

const encodeBf16: Encode = (values, target) => {
  const pairs = values.length >>> 1;
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const words = new Int32Array(target.buffer, target.byteOffset, pairs);
  let seen = 0;
  let rounded = 0;
  for (let i = 0, at = 0; i < pairs; i++, at += 2) {
    const low = bits[at]!;
    const high = bits[at + 1]!;
    seen |= ((low & EXPONENT) + EXPONENT_ONE) | ((high & EXPONENT) + EXPONENT_ONE);
    const word =
      ((low + 0x7fff + ((low >>> 16) & 1)) >>> 16) |
      ((high + 0x7fff + ((high >>> 16) & 1)) & 0xffff0000);
    rounded |= (word & BF16_EXPONENTS) + BF16_ONES;
    words[i] = word;
  }
  if ((values.length & 1) === 1) {
    const last = bits[values.length - 1]!;
    seen |= (last & EXPONENT) + EXPONENT_ONE;
    const half = (last + 0x7fff + ((last >>> 16) & 1)) >>> 16;
    rounded |= (half & BF16_EXPONENTS) + BF16_ONES;
    target[target.length - 2] = half & 0xff;
    target[target.length - 1] = (half >>> 8) & 0xff;
  }
  return seen >= 0 && (rounded & BF16_CARRIES) === 0;
};

const encoders: Readonly<Record<OutputDType, Encode>> = {
  BF16: encodeBf16,
  F32: (values, target) =>
    decodeFp32(
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      new Float32Array(target.buffer, target.byteOffset, values.length),
    ),
  F16: (values, target) => {
    const halves = new Uint16Array(target.buffer, target.byteOffset, values.length);
    return encodeFp16(values, halves) === 0 && findNonFinite(values).count === 0;
  },
};

export function encoderOf(dtype: OutputDType): Encode {
  return encoders[dtype];
}
