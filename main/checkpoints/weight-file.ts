/** Positional reading of a regular file that must stay the same from the first read to the last. */
import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, stat, type FileHandle } from 'node:fs/promises';
import type { ErrorCode } from '../lib/error-codes.ts';
import { AppError } from '../lib/errors.ts';
import { checkpointError } from './fail.ts';

/** The most bytes one system call reads, and the most a chunk of a stream holds. */
export const CHUNK_BYTES = 16 * 1024 * 1024;

function errnoOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

const missing = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE']);

/** Turns a failed system call on a checkpoint file or folder into an AppError; others pass through. */
export async function accessError(error: unknown, file: string): Promise<unknown> {
  if (error instanceof AppError || errnoOf(error) === '') return error;
  const errno = errnoOf(error);
  const fault = (code: ErrorCode, what: string, hint: string): AppError =>
    checkpointError(code, { what, file, hint, cause: error });
  if (missing.has(errno)) {
    const link = await lstat(file).catch(() => undefined);
    const dangling = link?.isSymbolicLink() === true;
    const what = dangling ? 'the link points to nothing' : 'there is no such file or folder';
    return fault('checkpoint.not_found', what, 'check the path, or choose the checkpoint again');
  }
  if (errno === 'EACCES' || errno === 'EPERM') {
    const hint = 'change the permissions, or copy the file to a folder of your own';
    return fault('checkpoint.no_permission', 'the system does not allow reading it', hint);
  }
  const what = `reading failed (${errno})`;
  return fault('checkpoint.read_failed', what, 'check the disk or the network drive, then retry');
}

function kindOf(stats: BigIntStats): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

function requireRegular(stats: BigIntStats, file: string): void {
  if (stats.isFile()) return;
  throw checkpointError('checkpoint.not_a_file', {
    what: `this is ${kindOf(stats)}, not a file`,
    file,
    hint: 'choose a .safetensors file, or a model folder that holds one',
  });
}

/** Opens only regular files; a pipe is recognised before an open could block on it. */
async function openRegular(file: string): Promise<{ handle: FileHandle; stats: BigIntStats }> {
  let handle: FileHandle | undefined;
  try {
    requireRegular(await stat(file, { bigint: true }), file);
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat({ bigint: true });
    requireRegular(stats, file);
    return { handle, stats };
  } catch (error) {
    await handle?.close();
    throw await accessError(error, file);
  }
}

/** What tells a file from any other and from its own later versions; survives structured cloning. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

/**
 * Compares `stats` (of an open descriptor, with `bigint`) with the identity noted when the file was
 * validated; throws `checkpoint.changed`. A reader calls it after opening and again after the last read,
 * so that bytes are never interpreted by a header that is no longer theirs.
 */
export function requireSameFile(stats: FileIdentity, identity: FileIdentity, file: string): void {
  const same =
    stats.dev === identity.dev &&
    stats.ino === identity.ino &&
    stats.size === identity.size &&
    stats.mtimeNs === identity.mtimeNs;
  if (!same) throw changed(file);
}

function changed(file: string): AppError {
  return checkpointError('checkpoint.changed', {
    what: 'the file was changed or replaced while it was open',
    file,
    hint: 'wait until whatever writes it has finished, then open it again',
  });
}

type ReadInto = (target: Uint8Array, position: number) => Promise<void>;

/**
 * A file whose identity (device, inode, size, time of change) was noted when it was first opened.
 * It holds no descriptor between reads, so a model of thousands of shards needs none.
 */
export class WeightFile {
  readonly path: string;
  readonly size: number;
  readonly identity: FileIdentity;

  /** Takes up a file that was validated before, perhaps by another thread; the next read checks it. */
  constructor(path: string, identity: FileIdentity) {
    this.path = path;
    this.size = Number(identity.size);
    this.identity = identity;
  }

  /** Throws `checkpoint.not_found`, `.not_a_file`, `.no_permission` or `.read_failed`. */
  static async open(path: string): Promise<WeightFile> {
    const { handle, stats } = await openRegular(path);
    await handle.close();
    const { dev, ino, size, mtimeNs } = stats;
    return new WeightFile(path, { dev, ino, size, mtimeNs });
  }

  /** Fills `target` from `position`; throws `checkpoint.changed` when the file is no longer the same. */
  async readInto(target: Uint8Array, position: number): Promise<void> {
    await this.session((readInto) => readInto(target, position));
  }

  /** Many reads under one check: `work` gets a function that fills a buffer from a position. */
  async session<T>(work: (readInto: ReadInto) => Promise<T>): Promise<T> {
    const { handle, stats } = await openRegular(this.path);
    try {
      requireSameFile(stats, this.identity, this.path);
      const result = await work((target, position) => this.#fill(handle, target, position));
      // Compared again, so that a change during the reads is seen too.
      requireSameFile(await handle.stat({ bigint: true }), this.identity, this.path);
      return result;
    } catch (error) {
      throw await accessError(error, this.path);
    } finally {
      await handle.close();
    }
  }

  /** Reads the bytes from `begin` to `end`, in new buffers of at most 16 MiB. */
  async *chunks(begin: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let position = begin; position < end; position += CHUNK_BYTES) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, end - position));
      await this.readInto(chunk, position);
      yield chunk;
    }
  }

  async #fill(handle: FileHandle, target: Uint8Array, position: number): Promise<void> {
    let done = 0;
    while (done < target.byteLength) {
      const length = Math.min(CHUNK_BYTES, target.byteLength - done);
      const { bytesRead } = await handle.read(target, done, length, position + done);
      if (bytesRead === 0) throw changed(this.path);
      done += bytesRead;
    }
  }
}
