/** The folder of an export while it is being written: every file synced, hashed and read back. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  writeSafetensors,
  type TensorToWrite,
  type WrittenSafetensors,
} from '../checkpoints/writer.ts';
import { replaceFileDurably, type DurableFile } from '../lib/durable.ts';
import { AppError, throwIfCancelled } from '../lib/errors.ts';

export interface ExportedFile {
  /** Relative to the folder, with `/`. */
  readonly name: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export class ExportFolder {
  readonly path: string;
  readonly signal: AbortSignal | undefined;
  readonly #files: ExportedFile[] = [];

  constructor(path: string, signal: AbortSignal | undefined) {
    this.path = path;
    this.signal = signal;
  }

  /** In the order they were written. */
  get files(): readonly ExportedFile[] {
    return this.#files;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async writeText(name: string, text: string): Promise<void> {
    await this.writeBytes(name, [Buffer.from(text)]);
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await this.writeText(name, `${JSON.stringify(value, null, 2)}\n`);
  }

  async writeBytes(name: string, pieces: readonly Uint8Array[]): Promise<void> {
    const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    await this.produce(name, bytes, async (file) => {
      for (const piece of pieces) await file.write(piece);
    });
  }

  /** Writes a file of `bytes` bytes piece by piece. */
  async produce(
    name: string,
    bytes: number,
    write: (file: DurableFile) => Promise<void>,
  ): Promise<void> {
    const options = { signal: this.signal, expectedBytes: bytes };
    const { byteLength, sha256 } = await replaceFileDurably(this.file(name), write, options);
    this.#files.push({ name, bytes: byteLength, sha256 });
  }

  async writeTensors(
    name: string,
    tensors: Iterable<TensorToWrite>,
    metadata: ReadonlyMap<string, string>,
  ): Promise<WrittenSafetensors> {
    await mkdir(dirname(this.file(name)), { recursive: true });
    const options = { signal: this.signal };
    const written = await writeSafetensors(this.file(name), tensors, metadata, options);
    this.#files.push({ name, bytes: written.byteLength, sha256: written.sha256 });
    return written;
  }

  /** Reads every file again; throws `export.verify_failed` for one that is not what was written. */
  async verifyHashes(): Promise<void> {
    for (const { name, bytes, sha256 } of this.#files) {
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(this.file(name), { highWaterMark: 2 ** 22 })) {
        throwIfCancelled(this.signal);
        hash.update(chunk as Uint8Array);
      }
      const { size } = await stat(this.file(name));
      if (size === bytes && hash.digest('hex') === sha256) continue;
      throw new AppError('export.verify_failed', {
        what: 'the file read back differs from what was written',
        where: this.file(name),
        hint: 'check the disk and the memory of the machine, then export again; nothing was exported',
      });
    }
  }
}
