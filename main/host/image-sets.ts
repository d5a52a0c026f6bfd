/** Decoded image sets of the open project, the ones last used kept in memory. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabelledSet } from '../data/labelled.ts';
import type { PixelStore } from '../data/images.ts';
import { readSpriteSheet } from '../data/sprite-sheet.ts';

/** Pixels of all sets kept. */
const budgetBytes = 256 * 2 ** 20;
const largestTile = 64;

// Tiles show pixels as they are; no encoder ever sees what is read here.
const unchanged = { mean: [0, 0, 0], deviation: [1, 1, 1] } as const;

/** The description at `path`: a JSON file, or the test.json in a folder. */
export async function descriptionAt(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true ? join(path, 'test.json') : path;
}

export class ImageSets {
  /** By path and time of the description; the last used last. */
  readonly #sets = new Map<string, Promise<LabelledSet<PixelStore>>>();

  /** Throws what `readSpriteSheet` throws. */
  async get(path: string): Promise<LabelledSet<PixelStore>> {
    const file = await descriptionAt(path);
    const changed = await stat(file).catch(() => undefined);
    const key = `${String(changed?.mtimeMs)} ${file}`;
    const set = this.#sets.get(key) ?? readSpriteSheet(file, unchanged);
    this.#sets.delete(key);
    this.#sets.set(key, set);
    try {
      await set;
    } catch (error) {
      this.#sets.delete(key);
      throw error;
    }
    await this.#forget();
    return set;
  }

  async #forget(): Promise<void> {
    let bytes = 0;
    for (const [key, set] of [...this.#sets].reverse()) {
      bytes += (await set.catch(() => undefined))?.images.store.pixels.byteLength ?? 0;
      if (bytes > budgetBytes && this.#sets.size > 1) this.#sets.delete(key);
    }
  }
}

/** RGB pixels of some images one after another, shrunk to at most 64 pixels in width. */
export function tilesOf(
  store: PixelStore,
  images: readonly number[],
): { size: number; pixels: Uint8Array } {
  const factor = Math.ceil(store.size / largestTile);
  const size = Math.floor(store.size / factor);
  const bytes = size * size * 3;
  const pixels = new Uint8Array(images.length * bytes);
  images.forEach((image, i) => {
    const from = image * store.size ** 2 * 3;
    const source = store.pixels.subarray(from, from + store.size ** 2 * 3);
    const target = pixels.subarray(i * bytes, (i + 1) * bytes);
    if (factor === 1) target.set(source);
    else shrink(source, store.size, factor, target, size);
  });
  return { size, pixels };
}

/** Every pixel becomes the mean of a square of `factor`² pixels. */
function shrink(
  source: Uint8Array,
  width: number,
  factor: number,
  target: Uint8Array,
  size: number,
): void {
  for (let i = 0; i < target.length; i++) {
    const channel = i % 3;
    const column = Math.floor(i / 3) % size;
    const row = Math.floor(i / 3 / size);
    let sum = 0;
    for (let y = row * factor; y < (row + 1) * factor; y++) {
      for (let x = column * factor; x < (column + 1) * factor; x++) {
        sum += source[(y * width + x) * 3 + channel] ?? 0;
      }
    }
    target[i] = Math.round(sum / factor ** 2);
  }
}
