/**
 * Writing one file so that, whatever happens, its path holds either the whole old content or the
 * whole new one: write beside it, sync, read back, rename, sync the folder.
 */
import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { open, realpath, rename, rm, stat, statfs, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, throwIfCancelled } from './errors.ts';
import { temporaryName } from './temporaries.ts';

/** The most bytes written between two looks at the signal. */
const CHUNK_BYTES = 16 * 1024 * 1024;
const READ_BACK_BYTES = 1024 * 1024;
/** Kept free beyond the file itself, for the file system's own records. */
const SPACE_RESERVE_BYTES = 64 * 1024;
/** Windows: virus scanners hold new files open for moments. */
const RENAME_ATTEMPTS = 20;
const RENAME_PAUSE_MS = 100;

const UNTOUCHED = 'nothing at this path was changed';

/** The error code of a failed system call, such as `ENOSPC`; empty for any other error. */
export function errnoOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the disk is read-only',
  EIO: 'the storage device reported an error',
  EFBIG: 'the file is larger than allowed here',
  ENOENT: 'the folder does not exist',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'a folder is in the way',
  ENAMETOOLONG: 'the name is too long',
};

/** Turns a failed system call into `file.disk_full` or `file.write_failed`; others pass through. */
export function writeError(error: unknown, path: string, outcome = UNTOUCHED): unknown {
  const errno = errnoOf(error);
  if (error instanceof AppError || errno === '') return error;
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new AppError('file.disk_full', {
      what: `writing failed because the disk is full (${errno})`,
      where: path,
      hint: `free some space or choose another place; ${outcome}`,
      cause: error,
    });
  }
  return new AppError('file.write_failed', {
    what: `writing failed: ${reasons[errno] ?? 'the system refused'} (${errno})`,
    where: path,
    hint: `choose another place or mend the cause; ${outcome}`,
    cause: error,
  });
}

/** Runs one step of writing `path` and words its failure. */
export async function writing<T>(path: string, step: Promise<T>, outcome?: string): Promise<T> {
  try {
    return await step;
  } catch (error) {
    throw writeError(error, path, outcome);
  }
}

export interface ReplacedFile<T> {
  /** What the producer returned. */
  readonly result: T;
  readonly byteLength: number;
  /** sha-256 (hex) of the content. */
  readonly sha256: string;
}

/** What a producer writes into. */
export interface DurableFile {
  /** Writes all of `bytes`, however many calls it takes; throws AppError `file.*` or CancelledError. */
  write(bytes: Uint8Array): Promise<void>;
}

class HashedFile implements DurableFile {
  readonly hash = createHash('sha256');
  byteLength = 0;
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;

  constructor(handle: FileHandle, path: string, signal: AbortSignal | undefined) {
    this.#handle = handle;
    this.#path = path;
    this.#signal = signal;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.byteLength) {
      throwIfCancelled(this.#signal);
      const length = Math.min(CHUNK_BYTES, bytes.byteLength - done);
      const call = this.#handle.write(bytes, done, length);
      const { bytesWritten } = await writing(this.#path, call);
      // What the system took is hashed, so a buffer changed meanwhile is found by the check.
      this.hash.update(bytes.subarray(done, done + bytesWritten));
      this.byteLength += bytesWritten;
      done += bytesWritten;
    }
  }
}

export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ReplaceFileOptions<T> extends WriteOptions {
  /** Final size where it is known: a full disk is then refused before anything is written. */
  readonly expectedBytes?: number;
  /** Further checks of the finished, not yet visible file; throws to refuse it. */
  readonly verify?: (temporaryPath: string, result: T) => Promise<void>;
}

/** Follows a link at the final place, so that what it points to is replaced and the link stays. */
async function finalPath(path: string): Promise<{ target: string; existing: Stats | undefined }> {
  const target = await realpath(path).catch(() => resolve(path));
  const existing = await stat(target).catch(() => undefined);
  if (existing === undefined || existing.isFile()) return { target, existing };
  throw new AppError('file.write_failed', {
    what: 'a folder or device is in the way',
    where: path,
    hint: `choose another name; ${UNTOUCHED}`,
  });
}

/** Throws `file.disk_full` where `folder` has less than `bytes` free; `path` is named. */
export async function requireSpace(folder: string, bytes: number, path: string): Promise<void> {
  // Where the free space cannot be asked, the writes themselves will tell.
  const disk = await statfs(folder).catch(() => undefined);
  if (disk === undefined || disk.blocks === 0) return;
  const free = disk.bavail * disk.bsize;
  if (free >= bytes + SPACE_RESERVE_BYTES) return;
  throw new AppError('file.disk_full', {
    what: `the file needs ${bytes} bytes, but only ${free} are free`,
    where: path,
    hint: `free some space or choose another place; ${UNTOUCHED}`,
  });
}

/** Reads the file back; returns its sha-256 when it is what was written. */
async function verifyContent(temporary: string, file: HashedFile, path: string): Promise<string> {
  const hash = createHash('sha256');
  let byteLength = 0;
  for await (const chunk of createReadStream(temporary, { highWaterMark: READ_BACK_BYTES })) {
    hash.update(chunk as Uint8Array);
    byteLength += (chunk as Uint8Array).byteLength;
  }
  const sha256 = hash.digest('hex');
  if (byteLength === file.byteLength && sha256 === file.hash.digest('hex')) return sha256;
  throw new AppError('file.verify_failed', {
    what: 'the file read back differs from what was written',
    where: path,
    hint: `check the disk and the memory of the machine; ${UNTOUCHED}`,
  });
}

/** Renames; on Windows it tries again while something else holds one of the two open. */
export async function renameOver(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await rename(from, to);
      return;
    } catch (error) {
      const busy = ['EPERM', 'EACCES', 'EBUSY'].includes(errnoOf(error));
      if (process.platform !== 'win32' || !busy || attempt === RENAME_ATTEMPTS) throw error;
      await delay(RENAME_PAUSE_MS);
    }
  }
}

/** Makes the names in a folder survive a power cut; Windows has no such call. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces (or creates) the file at `path` with what `produce` writes. The new content becomes visible
 * at once and only when it is complete, synced and read back; on any failure or cancellation the old
 * content stays and no temporary is left. Permissions of an existing file are kept.
 * Throws AppError `file.disk_full`, `file.write_failed` or `file.verify_failed`, CancelledError, or
 * what `produce` and `verify` throw.
 */
export async function replaceFileDurably<T>(
  path: string,
  produce: (file: DurableFile) => Promise<T>,
  options: ReplaceFileOptions<T> = {},
): Promise<ReplacedFile<T>> {
  const { signal } = options;
  throwIfCancelled(signal);
  const { target, existing } = await finalPath(path);
  const folder = dirname(target);
  if (basename(target) === '') throw new AppError('file.write_failed', noName(path));
  if (options.expectedBytes !== undefined) await requireSpace(folder, options.expectedBytes, path);
  const temporary = join(folder, temporaryName('part'));
  const handle = await writing(path, open(temporary, 'wx'));
  let replaced: ReplacedFile<T>;
  try {
    const file = new HashedFile(handle, path, signal);
    const result = await produce(file);
    if (existing !== undefined) await writing(path, handle.chmod(existing.mode & 0o777));
    await writing(path, handle.sync());
    await writing(path, handle.close());
    const sha256 = await writing(path, verifyContent(temporary, file, path));
    await options.verify?.(temporary, result);
    throwIfCancelled(signal);
    replaced = { result, byteLength: file.byteLength, sha256 };
    await writing(path, renameOver(temporary, target));
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  const outcome = 'the new file is in place, but a power cut now could undo that';
  await writing(path, syncFolder(folder), outcome);
  return replaced;
}

function noName(path: string): { what: string; where: string; hint: string } {
  return { what: 'the path has no file name', where: path, hint: 'choose a file name' };
}

/** Writes a whole file by the protocol of `replaceFileDurably`; text is written as UTF-8. */
export async function writeFileDurably(
  path: string,
  bytesOrText: Uint8Array | string,
  options: WriteOptions = {},
): Promise<void> {
  const bytes = typeof bytesOrText === 'string' ? Buffer.from(bytesOrText) : bytesOrText;
  await replaceFileDurably(path, (file) => file.write(bytes), {
    signal: options.signal,
    expectedBytes: bytes.byteLength,
  });
}
