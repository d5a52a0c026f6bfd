/** One file into a folder named by its checksum: gone on with where it broke off, and checked as it comes. */
import { createHash, type Hash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { renameOver, syncFolder, writing } from '../lib/durable-file.ts';
import { AppError, throwIfCancelled } from '../lib/errors.ts';
import { header, PassingError, shown, type HubAnswer, type HubClient } from './client.ts';
import { invalidAnswer, type Subject } from './failures.ts';
import type { RemoteFile } from './listing.ts';
import { leavePartial, removePartial, takePartial, type Partial } from './partial.ts';

export interface FileOrder {
  readonly address: URL;
  readonly subject: Subject;
  /** What the file belongs to, for messages. */
  readonly owner: string;
  readonly file: RemoteFile;
  /** Folder of contents, named by their checksums. */
  readonly blobs: string;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  /** By how much the count of bytes that are there changed; less than 0 when some turned out useless. */
  readonly onBytes: (change: number) => void;
}

const readBytes = 1024 * 1024;

/**
 * Downloads a file; returns the path of its content. What is there of it is kept when this fails or is cancelled.
 * No `If-Range` is needed: the name of the partial is the checksum of the whole, and the whole is checked. Throws `hub.*`, `file.*` and CancelledError.
 */
export async function downloadFile(
  client: HubClient,
  order: FileOrder,
  options: DownloadOptions,
): Promise<string> {
  const { blobs, file } = order;
  await writing(blobs, mkdir(blobs, { recursive: true }));
  const partial = await takePartial(blobs, file.checksum.hex);
  try {
    const transfer = new Transfer(client, order, partial, options);
    await transfer.readBack();
    const resumed = transfer.position > 0;
    let fits = await transfer.complete();
    if (!fits && resumed) {
      // A power cut may have left holes in the part that was there.
      await transfer.restart();
      fits = await transfer.complete();
    }
    if (!fits) {
      await transfer.restart();
      await removePartial(partial);
      throw mismatch(order);
    }
    await writing(partial.path, partial.handle.sync());
    await partial.handle.close();
    const path = join(blobs, file.checksum.hex);
    await writing(path, renameOver(partial.path, path));
    await syncFolder(blobs);
    return path;
  } catch (error) {
    await leavePartial(partial);
    throw error;
  }
}

class Transfer {
  position = 0;
  #hash: Hash;
  readonly #client: HubClient;
  readonly #order: FileOrder;
  readonly #partial: Partial;
  readonly #options: DownloadOptions;

  constructor(client: HubClient, order: FileOrder, partial: Partial, options: DownloadOptions) {
    this.#client = client;
    this.#order = order;
    this.#partial = partial;
    this.#options = options;
    this.#hash = newHash(order.file);
  }

  /** Adds what an earlier attempt left to the checksum. */
  async readBack(): Promise<void> {
    const { size, handle } = this.#partial;
    if (size > this.#order.file.size) {
      await this.restart();
      return;
    }
    const buffer = Buffer.alloc(Math.min(size, readBytes));
    while (this.position < size) {
      throwIfCancelled(this.#options.signal);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.position);
      if (bytesRead === 0) break;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#advance(bytesRead);
    }
  }

  /** Forgets everything that is there. */
  async restart(): Promise<void> {
    const { path, handle } = this.#partial;
    await writing(path, handle.truncate(0));
    this.#advance(-this.position);
    this.#hash = newHash(this.#order.file);
  }

  /** Asks for what is missing until all of it is there; returns whether it is what the listing promised. */
  async complete(): Promise<boolean> {
    const { file } = this.#order;
    while (this.position < file.size) {
      await this.#client.persist(
        this.#options.signal,
        () => this.#attempt(),
        () => this.position,
      );
    }
    return this.#hash.digest('hex') === file.checksum.hex;
  }

  async #attempt(): Promise<void> {
    const { address, subject, file } = this.#order;
    const { signal } = this.#options;
    const client = this.#client;
    const range = this.position > 0 ? { range: `bytes=${this.position}-` } : {};
    const answer = await client.get(address, subject, range, signal);
    try {
      requireSameFile(answer, file, address);
      await this.#place(answer, address);
      for await (const chunk of answer.body) {
        await this.#write(chunk as Uint8Array, address);
        throwIfCancelled(signal);
      }
    } catch (error) {
      answer.body.destroy();
      throw client.failed(error, address, signal);
    }
    if (this.position < file.size) throw this.#brokenOff(address);
  }

  /** Sees where in the file an answer begins; one that ignores the range begins at the beginning. */
  async #place(answer: HubAnswer, address: URL): Promise<void> {
    if (answer.status === 206) {
      const begin = /^bytes (\d+)-/.exec(header(answer.headers, 'content-range') ?? '')?.[1];
      if (Number(begin) === this.position) return;
      throw invalidAnswer('it is another part than was asked for', shown(address));
    }
    if (this.position > 0) await this.restart();
    if (answer.status === 416) {
      throw new PassingError(invalidAnswer('it has no such part', shown(address)));
    }
  }

  async #write(bytes: Uint8Array, address: URL): Promise<void> {
    const { path, handle } = this.#partial;
    if (this.position + bytes.byteLength > this.#order.file.size) {
      await this.restart();
      throw invalidAnswer('it is longer than the file', shown(address));
    }
    let done = 0;
    while (done < bytes.byteLength) {
      const rest = bytes.byteLength - done;
      const { bytesWritten } = await writing(
        path,
        handle.write(bytes, done, rest, this.position),
        'what was downloaded so far is kept',
      );
      this.#hash.update(bytes.subarray(done, done + bytesWritten));
      this.#advance(bytesWritten);
      done += bytesWritten;
    }
  }

  #advance(bytes: number): void {
    this.position += bytes;
    if (bytes !== 0) this.#options.onBytes(bytes);
  }

  #brokenOff(address: URL): PassingError {
    const { file } = this.#order;
    return new PassingError(
      new AppError('hub.interrupted', {
        what: `the download of ${file.name} broke off after ${this.position} of ${file.size} bytes`,
        where: shown(address),
        hint: 'try again; it goes on from there',
      }),
    );
  }
}

/** The checksum of a large file is that of its bytes, of a small one that of git's object. */
function newHash({ checksum, size }: RemoteFile): Hash {
  if (checksum.kind === 'sha256') return createHash('sha256');
  return createHash('sha1').update(`blob ${size}\0`);
}

/** The Hub names the checksum again when it sends a file, or sends elsewhere for it. */
function requireSameFile({ firstHeaders }: HubAnswer, file: RemoteFile, address: URL): void {
  const tag = header(firstHeaders, 'x-linked-etag') ?? header(firstHeaders, 'etag');
  const hex = tag?.replace(/^W\//, '').replaceAll('"', '');
  const comparable = hex?.length === file.checksum.hex.length && /^[0-9a-f]+$/.test(hex);
  if (!comparable || hex === file.checksum.hex) return;
  throw invalidAnswer('it is another file than the one listed', shown(address));
}

function mismatch({ owner, file }: FileOrder): AppError {
  return new AppError('hub.checksum_mismatch', {
    what: `"${file.name}" of "${owner}" came with other bytes than its checksum promises, and was thrown away`,
    hint: 'try again; if it happens again, something on the way changes what is downloaded',
  });
}
