/**
 * Prepared images in a file, each in a place of its own with a checksum behind it. A place never written, or
 * half written when a process was killed, does not fit its checksum: the image is then prepared again.
 */
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

const checksumBytes = 4;

/** Bytes of a file of `count` images of `bytes` each. */
export function recordsLength(count: number, bytes: number): number {
  return count * (bytes + checksumBytes);
}

export class Records {
  readonly #file: number;
  readonly #record: Buffer;
  #writable = true;

  private constructor(file: number, bytes: number) {
    this.#file = file;
    this.#record = Buffer.alloc(bytes + checksumBytes);
  }

  /** Undefined when the file cannot be opened: the images are prepared without it. */
  static open(path: string, bytes: number): Records | undefined {
    try {
      return new Records(openSync(path, constants.O_RDWR | constants.O_CREAT, 0o666), bytes);
    } catch {
      return undefined;
    }
  }

  /** Puts the image at `slot` into `target`; false when there is none. */
  read(slot: number, target: Uint8Array): boolean {
    const record = this.#record;
    try {
      if (readSync(this.#file, record, 0, record.length, slot * record.length) < record.length) {
        return false;
      }
    } catch {
      return false;
    }
    const pixels = record.subarray(0, target.length);
    if (crc32(pixels) !== record.readUInt32LE(target.length)) return false;
    target.set(pixels);
    return true;
  }

  write(slot: number, pixels: Uint8Array): void {
    if (!this.#writable) return;
    const record = this.#record;
    record.set(pixels);
    record.writeUInt32LE(crc32(pixels), pixels.length);
    try {
      writeSync(this.#file, record, 0, record.length, slot * record.length);
    } catch {
      // A full disk: what is kept already stays of use.
      this.#writable = false;
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}
