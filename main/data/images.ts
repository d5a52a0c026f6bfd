/** Images without labels: all that adaptation ever gets to see. */
import type { Tensor } from '../lib/tensor.ts';
import { permutation, randomStream } from '../lib/random.ts';

/** Channel means and deviations that pixel values in [0, 1] are normalised with. */
export interface Normalisation {
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

/** Decoded RGB images of one size, rows of `size·size·3` bytes each. */
export interface PixelStore {
  readonly size: number;
  readonly count: number;
  readonly pixels: Uint8Array;
}

/** Images of one size that are decoded when they are asked for. Where they come from stays hidden: paths hold labels. */
export interface PixelReader {
  readonly size: number;
  readonly count: number;
  /** Changes with the images and with how they are prepared. */
  readonly identity: string;
  /** Pixels of the images named, one after another. Throws what decoding throws. */
  read(indices: ArrayLike<number>): Promise<Uint8Array>;
}

export type ImageStore = PixelStore | PixelReader;

export interface ImageSet<Store extends ImageStore = ImageStore> {
  /** Task id. */
  readonly task: string;
  readonly store: Store;
  readonly normalisation: Normalisation;
  /** Never there: an object that carries labels does not type-check as unlabelled images. */
  readonly labels?: never;
}

/** Normalised images [indices.length, 3, size, size]. Throws what decoding throws. */
export async function imageBatch(set: ImageSet, indices: ArrayLike<number>): Promise<Tensor> {
  const shape = [indices.length, 3, set.store.size, set.store.size];
  const data = new Float32Array(indices.length * 3 * set.store.size ** 2);
  await writeImages(set, indices, data);
  return { shape, data };
}

/** Writes normalised images one after another into `target`, channels first. Throws what decoding throws. */
export async function writeImages(
  { store, normalisation }: ImageSet,
  indices: ArrayLike<number>,
  target: Float32Array,
): Promise<void> {
  const area = store.size ** 2;
  const decoded = 'pixels' in store;
  const pixels = decoded ? store.pixels : await store.read(indices);
  for (let i = 0; i < indices.length; i++) {
    const source = (decoded ? (indices[i] ?? 0) : i) * area * 3;
    for (let channel = 0; channel < 3; channel++) {
      const scale = 1 / (255 * (normalisation.deviation[channel] ?? 1));
      const offset = (normalisation.mean[channel] ?? 0) / (normalisation.deviation[channel] ?? 1);
      const start = (i * 3 + channel) * area;
      for (let pixel = 0; pixel < area; pixel++) {
        target[start + pixel] = (pixels[source + pixel * 3 + channel] ?? 0) * scale - offset;
      }
    }
  }
}

/**
 * Indices of batch number `step` (from 0) of an endless stream that goes through a set of `count`
 * images epoch by epoch, each in its own seeded order. Depends on its arguments alone, so a resumed
 * run sees the batches that an uninterrupted one would have seen.
 */
export function shuffledBatch(
  key: readonly (string | number)[],
  count: number,
  batchSize: number,
  step: number,
): Uint32Array {
  const indices = new Uint32Array(batchSize);
  let order: Uint32Array | undefined;
  let epochOfOrder = -1;
  for (let i = 0; i < batchSize; i++) {
    const position = step * batchSize + i;
    const epoch = Math.floor(position / count);
    if (order === undefined || epoch !== epochOfOrder) {
      order = permutation(randomStream(...key, 'epoch', epoch), count);
      epochOfOrder = epoch;
    }
    indices[i] = order[position % count] ?? 0;
  }
  return indices;
}
