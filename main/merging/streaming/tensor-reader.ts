/** What a thread reads of tensors: stored bytes, and values as fp32, which must be finite. */
import { NotRepresentable } from '../../checkpoints/convert.ts';
import { bitsPerElement } from '../../checkpoints/dtype.ts';
import { checkpointError } from '../../checkpoints/fail.ts';
import { findNonFinite } from '../../checkpoints/half.ts';
import { AppError } from '../../lib/errors.ts';
import type { Range } from './pieces.ts';
import type { LocatedTensor } from './protocol.ts';
import type { Scratch } from './scratch.ts';
import { StoredReader } from './stored-reader.ts';
import { allFinite, decoderOf } from './values.ts';

export class TensorReader {
  readonly #files = new StoredReader();
  readonly #scratch: Scratch;

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  /** Fills `target` with the bytes of a tensor from `position` on. */
  async bytes(from: LocatedTensor, target: Uint8Array, position: number): Promise<void> {
    const { file, identity, begin } = from.location;
    await this.#files.read(file, identity, target, begin + position);
    if (from.temporary) this.#files.close(file);
  }

  /**
   * Values of a tensor, valid until the slot is used again. Those that were `seen` to be finite in an earlier pass are
   * not looked at again, as a file that has changed since is refused. Throws `merge.non_finite` and `checkpoint.*`.
   */
  async values(
    from: LocatedTensor,
    range: Range,
    slot: string,
    seen = false,
  ): Promise<Float32Array> {
    const values = this.#scratch.floats(slot, range.end - range.begin);
    if (from.location.dtype === 'F32') {
      const stored = new Uint8Array(values.buffer, 0, values.byteLength);
      await this.bytes(from, stored, range.begin * 4);
      if ((seen && !from.temporary) || allFinite(values)) return values;
    } else if (await this.#decode(from, range, values)) return values;
    const { count, firstIndex } = findNonFinite(values);
    throw new AppError('merge.non_finite', {
      what: `${count} of ${values.length} values looked at are NaN or infinite, the first at index ${range.begin + firstIndex}`,
      where: `tensor "${from.tensor}" of ${from.checkpoint}`,
      hint: 'leave this checkpoint out, or fetch or save it again: its training has probably diverged',
    });
  }

  /** Returns whether all values are finite. */
  async #decode(from: LocatedTensor, { begin, end }: Range, to: Float32Array): Promise<boolean> {
    const { dtype } = from.location;
    const decode = decoderOf(dtype);
    const fault = { file: from.checkpoint, tensor: from.tensor };
    if (decode === undefined) {
      throw checkpointError('checkpoint.dtype_unsupported', {
        ...fault,
        what: `${dtype} has no conversion to fp32`,
        hint: 'save the checkpoint as F32, F16 or BF16 first',
      });
    }
    const width = bitsPerElement(dtype) / 8;
    const stored = this.#scratch.bytes('stored', (end - begin) * width);
    await this.bytes(from, stored, begin * width);
    try {
      return decode(stored, to);
    } catch (error) {
      if (!(error instanceof NotRepresentable)) throw error;
      throw checkpointError('checkpoint.value_not_representable', {
        ...fault,
        what: `${error.message} at index ${begin + error.index} cannot be expressed in fp32`,
        hint: 'leave this tensor out of the merge, or save it as F32',
      });
    }
  }
}
