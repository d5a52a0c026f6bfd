/** Between stored bytes and fp32, with the search for NaN and infinite values. */
import { converterOf } from '../../checkpoints/convert.ts';
import type { DType } from '../../checkpoints/dtype.ts';
import { encodeFp16, findNonFinite } from '../../checkpoints/half.ts';
import type { OutputDType } from '../../checkpoints/writer.ts';
import { FormatKernel } from '../kernels/format-kernel.ts';

/** One for a thread. */
let shared: FormatKernel | undefined;
const kernel = (): FormatKernel => (shared ??= new FormatKernel());

export function allFinite(values: Float32Array): boolean {
  return kernel().isFinite(values);
}

/** Converts to fp32; returns whether all values are finite. `bytes` begin at a multiple of eight. */
type Decode = (bytes: Uint8Array, target: Float32Array) => boolean;

const floatsIn = ({ buffer, byteOffset, byteLength }: Uint8Array): Float32Array =>
  new Float32Array(buffer, byteOffset, byteLength / Float32Array.BYTES_PER_ELEMENT);

/** How stored bytes of a dtype, F32 among them, become fp32; undefined where they cannot. It may throw NotRepresentable. */
export function decoderOf(dtype: DType): Decode | undefined {
  if (dtype === 'BF16') return (bytes, target) => kernel().decode(bytes, target);
  const convert = converterOf(dtype);
  if (convert === undefined) return undefined;
  return (bytes, target) => {
    convert(bytes, target);
    return kernel().isFinite(target);
  };
}

/**
 * Rounds fp32 to nearest, ties to even, once; `target` begins at a multiple of four. Returns whether all
 * values and all rounded ones are finite; what was written otherwise means nothing.
 */
type Encode = (values: Float32Array, target: Uint8Array) => boolean;

const encoders: Readonly<Record<OutputDType, Encode>> = {
  BF16: (values, target) => kernel().encode(values, target),
  F32(values, target) {
    floatsIn(target).set(values);
    return kernel().isFinite(values);
  },
  F16: (values, target) => {
    const halves = new Uint16Array(target.buffer, target.byteOffset, values.length);
    return encodeFp16(values, halves) === 0 && findNonFinite(values).count === 0;
  },
};

export function encoderOf(dtype: OutputDType): Encode {
  return encoders[dtype];
}
