/** Positional reading within a thread: files stay open, and must stay what they were. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { TensorLocation } from '../../checkpoints/checkpoint.ts';
import { accessError, requireSameFile } from '../../checkpoints/weight-file.ts';

/** Enough for the shards of a large model; more are opened again when it is their turn. */
const MOST_OPEN = 64;

type Identity = TensorLocation['identity'];

export class StoredReader {
  readonly #open = new Map<string, number>();

  /** Fills `target` from `position`; throws `checkpoint.changed` and what access gives. */
  async read(
    file: string,
    identity: Identity,
    target: Uint8Array,
    position: number,
  ): Promise<void> {
    try {
      const descriptor = this.#descriptor(file, identity);
      try {
        fill(descriptor, target, position);
      } finally {
        // After the reads again, so that a change during them is seen too, and explains their failure.
        requireSameFile(fstatSync(descriptor, { bigint: true }), identity, file);
      }
    } catch (error) {
      throw await accessError(error, file);
    }
  }

  #descriptor(file: string, identity: Identity): number {
    const known = this.#open.get(file);
    if (known !== undefined) return known;
    const [oldest] = this.#open.keys();
    if (this.#open.size >= MOST_OPEN && oldest !== undefined) this.close(oldest);
    const descriptor = openSync(file, 'r');
    this.#open.set(file, descriptor);
    requireSameFile(fstatSync(descriptor, { bigint: true }), identity, file);
    return descriptor;
  }

  close(file: string): void {
    const descriptor = this.#open.get(file);
    this.#open.delete(file);
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Reads until `target` is full; a file that ends before has been cut meanwhile. */
export function fill(descriptor: number, target: Uint8Array, position: number): void {
  let done = 0;
  while (done < target.byteLength) {
    const count = readSync(descriptor, target, done, target.byteLength - done, position + done);
    if (count === 0) throw new Error(`the file ended ${target.byteLength - done} bytes early`);
    done += count;
  }
}
