/** What a thread does without a method: checksums of what was written, hashes of whole files. */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { accessError, requireSameFile } from '../../checkpoints/weight-file.ts';
import { AppError } from '../../lib/errors.ts';
import { readError } from '../../lib/text-file.ts';
import { COPY_BYTES } from './budget.ts';
import type { Tasks } from './protocol.ts';
import { fill } from './stored-reader.ts';

type Request<Kind extends keyof Tasks> = Tasks[Kind]['request'];

export class CheckThread {
  readonly #hashes = new Map<string, Hash>();
  readonly #buffer = new Uint8Array(COPY_BYTES);

  async checksum({ file, position, bytes }: Request<'checksum'>): Promise<number> {
    let sum = 0;
    await withWritten(file, (descriptor) => {
      for (const chunk of this.#chunks(descriptor, position, bytes)) sum = crc32(chunk, sum);
    });
    return sum;
  }

  async digest({ file, ranges, last }: Request<'digest'>): Promise<string | undefined> {
    const hash = this.#hashes.get(file) ?? createHash('sha256');
    this.#hashes.set(file, hash);
    await withWritten(file, (descriptor) => {
      for (const { position, bytes, crc32: wanted } of ranges) {
        let sum = 0;
        for (const chunk of this.#chunks(descriptor, position, bytes)) {
          sum = crc32(chunk, sum);
          hash.update(chunk);
        }
        if (sum !== wanted) throw differs(file, position, bytes);
      }
    });
    if (!last) return undefined;
    this.#hashes.delete(file);
    return hash.digest('hex');
  }

  async hashFile({ file, identity }: Request<'hashFile'>): Promise<string> {
    const hash = createHash('sha256');
    try {
      await withFile(file, (descriptor) => {
        requireSameFile(fstatSync(descriptor, { bigint: true }), identity, file);
        for (const chunk of this.#chunks(descriptor, 0, Number(identity.size))) hash.update(chunk);
        requireSameFile(fstatSync(descriptor, { bigint: true }), identity, file);
      });
    } catch (error) {
      throw await accessError(error, file);
    }
    return hash.digest('hex');
  }

  *#chunks(descriptor: number, position: number, bytes: number): Generator<Uint8Array> {
    for (let done = 0; done < bytes; done += COPY_BYTES) {
      const chunk = this.#buffer.subarray(0, Math.min(COPY_BYTES, bytes - done));
      fill(descriptor, chunk, position + done);
      yield chunk;
    }
  }
}

async function withFile(file: string, work: (descriptor: number) => void): Promise<void> {
  const descriptor = openSync(file, 'r');
  try {
    work(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Reads back a file that this merge has written. */
async function withWritten(file: string, work: (descriptor: number) => void): Promise<void> {
  try {
    await withFile(file, work);
  } catch (error) {
    throw readError(error, file);
  }
}

function differs(file: string, position: number, bytes: number): AppError {
  return new AppError('file.verify_failed', {
    what: `the ${bytes} bytes from ${position} read back differ from what was written`,
    where: file,
    hint: 'check the disk and the memory of the machine, then merge again; nothing was changed',
  });
}
