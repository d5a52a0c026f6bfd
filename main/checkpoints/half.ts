/**
 * Conversions between fp32 and the two 16-bit float formats, on bit patterns throughout: JavaScript
 * numbers are fp64, and going through them could round twice or lose a NaN's sign. Typed arrays are
 * little-endian on every platform Node and Electron support, as safetensors is.
 */

const FP32_INFINITY = 0x7f800000;
const FP16_INFINITY = 0x7c00;
/** Written for every NaN (with its sign), so that the same values always give the same bytes. */
const FP16_QUIET_NAN = 0x7e00;
const BF16_QUIET_NAN = 0x7fc0;

let fp16Table: Uint32Array | undefined;

function fp16ToBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | FP32_INFINITY | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal: move its leading one to the hidden bit.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | ((fraction << (13 + shift)) & 0x7fffff);
}

function buildFp16Table(): Uint32Array {
  const table = new Uint32Array(0x10000);
  for (let half = 0; half < 0x10000; half++) table[half] = fp16ToBits(half);
  return table;
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** Converts fp16 bit patterns to fp32, exactly; NaN payloads are kept. Lengths must agree. */
export function decodeFp16(source: Uint16Array, target: Float32Array): void {
  const table = (fp16Table ??= buildFp16Table());
  const bits = bitsOf(target);
  for (let i = 0; i < source.length; i++) bits[i] = table[source[i]!]!;
}

/** Converts bf16 bit patterns to fp32, exactly; NaN payloads are kept. Lengths must agree. */
export function decodeBf16(source: Uint16Array, target: Float32Array): void {
  const bits = bitsOf(target);
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
}

/** The fp16 pattern of a magnitude below 2^-14, rounded to nearest, ties to even. */
function fp16Subnormal(magnitude: number): number {
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return 0;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const kept = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0);
}

/**
 * Rounds fp32 to fp16, to nearest with ties to even. NaN becomes a quiet NaN of the same sign.
 * Returns how many finite values became infinite (magnitude 65520 and above).
 */
export function encodeFp16(source: Float32Array, target: Uint16Array): number {
  const bits = bitsOf(source);
  let overflows = 0;
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const magnitude = word & 0x7fffffff;
    let half: number;
    if (magnitude < 0x38800000) {
      half = fp16Subnormal(magnitude);
    } else if (magnitude < 0x477ff000) {
      half = ((magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13) - 0x1c000;
    } else if (magnitude > FP32_INFINITY) {
      half = FP16_QUIET_NAN;
    } else {
      half = FP16_INFINITY;
      if (magnitude < FP32_INFINITY) overflows++;
    }
    target[i] = ((word >>> 16) & 0x8000) | half;
  }
  return overflows;
}

/**
 * Rounds fp32 to bf16, to nearest with ties to even. NaN becomes a quiet NaN of the same sign.
 * Returns how many finite values became infinite (those above the largest bf16 by half a step).
 */
export function encodeBf16(source: Float32Array, target: Uint16Array): number {
  const bits = bitsOf(source);
  let overflows = 0;
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const magnitude = word & 0x7fffffff;
    if (magnitude > FP32_INFINITY) {
      target[i] = ((word >>> 16) & 0x8000) | BF16_QUIET_NAN;
      continue;
    }
    if (magnitude >= 0x7f7f8000 && magnitude < FP32_INFINITY) overflows++;
    target[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return overflows;
}

export interface NonFinite {
  /** How many values are NaN or infinite. */
  readonly count: number;
  /** Index of the first one; -1 when there is none. */
  readonly firstIndex: number;
}

/** Counts NaN and infinite values. */
export function findNonFinite(values: Float32Array): NonFinite {
  const bits = bitsOf(values);
  let count = 0;
  let firstIndex = -1;
  for (let i = 0; i < bits.length; i++) {
    if ((bits[i]! & FP32_INFINITY) !== FP32_INFINITY) continue;
    if (count === 0) firstIndex = i;
    count++;
  }
  return { count, firstIndex };
}
