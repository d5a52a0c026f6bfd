/** Positional writing into files that exist already, open once for each thread. */
import { openSync, writeSync } from 'node:fs';
import { writeError } from '../../lib/durable.ts';

export class OutputFiles {
  readonly #open = new Map<string, number>();

  /** Throws AppError `file.disk_full` or `file.write_failed`. */
  write(file: string, bytes: Uint8Array, position: number): void {
    try {
      const descriptor = this.#open.get(file) ?? openSync(file, 'r+');
      this.#open.set(file, descriptor);
      let done = 0;
      while (done < bytes.byteLength) {
        done += writeSync(descriptor, bytes, done, bytes.byteLength - done, position + done);
      }
    } catch (error) {
      throw writeError(error, file);
    }
  }
}
