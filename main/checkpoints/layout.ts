/** Checks the tensor entries of a header against each other and against the size of the data. */
import type { ErrorCode } from '../lib/error-codes.ts';
import { bitsPerElement } from './dtype.ts';
import { checkpointError, DAMAGED, REWRITE } from './fail.ts';
import type { TensorEntry } from './header.ts';

function fail(code: ErrorCode, what: string, file: string, tensor?: string, hint = DAMAGED): never {
  throw checkpointError(code, { what, file, tensor, hint });
}

/** The bytes a tensor takes. Multiplies left to right and refuses any step above 2^53. */
function byteSize(entry: TensorEntry, file: string): number {
  let bits = 1;
  for (const size of [...entry.shape, bitsPerElement(entry.dtype)]) {
    bits *= size;
    if (!Number.isSafeInteger(bits)) {
      const what = `the shape [${entry.shape.join(', ')}] has more elements than a file can hold`;
      fail('checkpoint.shape_too_large', what, file, entry.name);
    }
  }
  if (bits % 8 !== 0) {
    const what = `${bits} bits of ${entry.dtype} do not fill whole bytes`;
    fail('checkpoint.not_whole_bytes', what, file, entry.name, REWRITE);
  }
  return bits / 8;
}

function inDataOrder(entries: Iterable<TensorEntry>): readonly TensorEntry[] {
  return [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
}

function checkSpan(entry: TensorEntry, file: string): void {
  const needed = byteSize(entry, file);
  const span = entry.end - entry.begin;
  if (needed === span) return;
  const shape = `${entry.dtype} [${entry.shape.join(', ')}]`;
  const what = `the tensor has ${span} bytes where ${shape} needs ${needed}`;
  fail('checkpoint.size_mismatch', what, file, entry.name);
}

/**
 * Checks that every tensor has the bytes its shape needs, and that the tensors cover the
 * `dataBytes` bytes after the header exactly: no hole, no overlap, nothing missing, nothing left.
 * Throws an AppError `checkpoint.*`.
 */
export function checkLayout(entries: Iterable<TensorEntry>, dataBytes: number, file: string): void {
  let reached = 0;
  for (const entry of inDataOrder(entries)) {
    checkSpan(entry, file);
    if (entry.begin > reached) {
      const what = `the ${entry.begin - reached} bytes before it belong to no tensor`;
      fail('checkpoint.offsets_gap', what, file, entry.name, REWRITE);
    }
    if (entry.begin < reached) {
      const what = `its bytes begin at ${entry.begin}, inside another tensor that ends at ${reached}`;
      const hint = 'save the file again with shared (tied) tensors left out or copied';
      fail('checkpoint.offsets_overlap', what, file, entry.name, hint);
    }
    reached = entry.end;
  }
  if (reached > dataBytes) {
    const what = `the file is cut off: ${dataBytes} bytes of data where the header lists ${reached}`;
    fail('checkpoint.truncated', what, file);
  }
  if (reached < dataBytes) {
    const what = `${dataBytes - reached} bytes after the last tensor belong to nothing`;
    fail('checkpoint.trailing_bytes', what, file);
  }
}
