/** One stored tensor as fp32, whatever the reader it comes from. */
import { elementCount, type Tensor } from '../lib/tensor.ts';
import type { TensorInfo } from './checkpoint.ts';
import { converterOf, NotRepresentable } from './convert.ts';
import { bitsPerElement } from './dtype.ts';
import { checkpointError } from './fail.ts';

/** One tensor as fp32; a larger one cannot be a single buffer everywhere the application runs. */
export const MAX_TENSOR_BYTES = 4 * 1024 ** 3 - 8;

/** A buffer of `count` fp32 values; throws `checkpoint.tensor_too_large`. */
function allocateFp32(count: number, file: string, tensor: string): Float32Array {
  let cause: unknown;
  try {
    if (count * 4 <= MAX_TENSOR_BYTES) return new Float32Array(count);
  } catch (error) {
    cause = error;
  }
  throw checkpointError('checkpoint.tensor_too_large', {
    what: `the tensor takes ${count * 4} bytes as fp32, more than can be allocated`,
    file,
    tensor,
    hint: 'close other programs, or use a machine with more memory',
    cause,
  });
}

/** Where the stored bytes of a tensor come from. */
export interface StoredBytes {
  /** Row-major and little-endian, in pieces of whole elements. */
  readonly chunks: () => AsyncIterable<Uint8Array>;
  /** Fills one buffer with all of them, where that is cheaper. */
  readonly fill?: (target: Uint8Array) => Promise<void>;
}

/**
 * Reads and converts a tensor. Throws `checkpoint.dtype_unsupported`, `.tensor_too_large` and
 * `.value_not_representable`, naming `file`.
 */
export async function readFp32(
  { name, dtype, shape }: TensorInfo,
  file: string,
  { chunks, fill }: StoredBytes,
): Promise<Tensor> {
  const convert = converterOf(dtype);
  if (convert === undefined) {
    throw checkpointError('checkpoint.dtype_unsupported', {
      what: `${dtype} has no conversion to fp32`,
      file,
      tensor: name,
      hint: 'save the checkpoint as F32, F16 or BF16 first',
    });
  }
  const data = allocateFp32(elementCount(shape), file, name);
  if (dtype === 'F32' && fill !== undefined) {
    // The stored bytes are the result: no second buffer, and no conversion.
    await fill(new Uint8Array(data.buffer));
    return { shape, data };
  }
  let done = 0;
  for await (const chunk of chunks()) {
    const count = (chunk.byteLength * 8) / bitsPerElement(dtype);
    try {
      convert(chunk, data.subarray(done, done + count));
    } catch (error) {
      if (!(error instanceof NotRepresentable)) throw error;
      throw checkpointError('checkpoint.value_not_representable', {
        what: `${error.message} at index ${done + error.index} cannot be expressed in fp32`,
        file,
        tensor: name,
        hint: 'leave this tensor out of the merge, or save it as F32',
      });
    }
    done += count;
  }
  return { shape, data };
}
