/**
 * A folder of files that can be made again: images as an encoder gets them, and images unpacked from
 * containers. Bounded: what was used longest ago goes first. Safe to delete at any time.
 */
import {
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  statfs,
  utimes,
  type FileHandle,
} from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../lib/cache-folder.ts';
import { writeError } from '../lib/durable-file.ts';
import { temporaryName } from '../lib/temporaries.ts';

/** Bytes on disk of all files: the test sets of eight tasks at 224 pixels take 14 GB. */
const defaultBudget = 32e9;
/** Left free on the disk for others. */
const reserve = 2e9;

/** The sector that `stat` counts in. */
const sector = 512;

export class ImageCache {
  readonly #folder: string;
  readonly #budget: number;
  /** Names that this process works with; they are not evicted. */
  readonly #used = new Set<string>();

  constructor(folder = join(cacheFolder(), 'images'), budget = defaultBudget) {
    this.#folder = folder;
    this.#budget = budget;
  }

  /** A file that may grow to `bytes`, or undefined when there is no room or no right for it. */
  async growing(name: string, bytes: number): Promise<string | undefined> {
    try {
      return (await this.#room(name, bytes)) ? join(this.#folder, name) : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * The file `name`, which `write` makes whole when it is not there. Throws `file.disk_full`,
   * `file.write_failed` and what `write` throws.
   */
  async whole(
    name: string,
    bytes: number,
    write: (file: FileHandle) => Promise<void>,
  ): Promise<string> {
    const path = join(this.#folder, name);
    this.#used.add(name);
    const now = new Date();
    if (
      await utimes(path, now, now).then(
        () => true,
        () => false,
      )
    )
      return path;
    const unfinished = join(this.#folder, temporaryName('part'));
    try {
      await this.#room(name, bytes);
      const file = await open(unfinished, 'wx');
      try {
        await write(file);
      } finally {
        await file.close();
      }
      await rename(unfinished, path);
      return path;
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined);
      throw writeError(error, this.#folder);
    }
  }

  /** Makes room for `bytes` more; false when there is too little. */
  async #room(name: string, bytes: number): Promise<boolean> {
    await mkdir(this.#folder, { recursive: true });
    this.#used.add(name);
    const files = await this.#files();
    const own = files.find((file) => file.name === name);
    if (own !== undefined) await utimes(own.path, new Date(), new Date());
    const wanted = bytes - (own?.bytes ?? 0);
    let total = files.reduce((sum, file) => sum + file.bytes, 0);
    const { bavail, bsize } = await statfs(this.#folder);
    let free = bavail * bsize;
    for (const file of files.sort((a, b) => a.usedMs - b.usedMs)) {
      if (total + wanted <= this.#budget && free >= wanted + reserve) break;
      if (this.#used.has(file.name)) continue;
      await rm(file.path, { force: true });
      total -= file.bytes;
      free += file.bytes;
    }
    return total + wanted <= this.#budget && free >= wanted + reserve;
  }

  async #files() {
    const names = await readdir(this.#folder);
    const files = names.map(async (name) => {
      const path = join(this.#folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found?.isFile() !== true) return [];
      return [{ name, path, bytes: found.blocks * sector, usedMs: found.mtimeMs }];
    });
    return (await Promise.all(files)).flat();
  }
}
