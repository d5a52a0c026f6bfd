/** Image sets of the open project as tiles; those last used that are held in memory are kept. */
import { stat } from 'node:fs/promises';
import type { ImageStore, PixelStore } from '../data/images.ts';
import { openImages, spriteSheetAt } from '../data/labelled-set.ts';
import type { Preprocessing } from '../data/preprocessing.ts';

/** Pixels of all sets kept. */
const budgetBytes = 256 * 2 ** 20;
const largestTile = 64;

// Tiles show pixels as they are; no encoder ever sees what is read here.
const unchanged = { mean: [0, 0, 0], deviation: [1, 1, 1] } as const;
const tilePreprocessing: Preprocessing = {
  edge: largestTile,
  stretch: false,
  filter: 'bilinear',
  size: largestTile,
  normalisation: unchanged,
};

export class ImageSets {
  /** By path and time of the set; the last used last. */
  readonly #sets = new Map<string, Promise<ImageStore>>();

  /** Throws what `openImages` throws. */
  async get(path: string): Promise<ImageStore> {
    const changed = await stat((await spriteSheetAt(path)) ?? path).catch(() => undefined);
    const key = `${String(changed?.mtimeMs)} ${path}`;
    const set = this.#sets.get(key) ?? openStore(path);
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
      const store = await set.catch(() => undefined);
      if (store !== undefined && 'pixels' in store) bytes += store.pixels.byteLength;
      if (bytes > budgetBytes && this.#sets.size > 1) this.#sets.delete(key);
    }
  }
}

async function openStore(path: string): Promise<ImageStore> {
  const preprocessing = () => Promise.resolve(tilePreprocessing);
  return (await openImages(path, { task: '', normalisation: unchanged, preprocessing })).store;
}

/** RGB pixels of some images one after another, at most 64 pixels wide. Throws what decoding throws. */
export async function tilesOf(
  store: ImageStore,
  images: readonly number[],
): Promise<{ size: number; pixels: Uint8Array }> {
  if ('read' in store) return { size: store.size, pixels: await store.read(images) };
  return shrunkTiles(store, images);
}

function shrunkTiles(
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
