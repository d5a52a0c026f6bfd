/** Images that are read when they are asked for: decoded in threads, kept in the cache. */
import { createHash } from 'node:crypto';
import { DecodePool } from './decoding/decode-pool.ts';
import { recordsLength } from './decoding/records.ts';
import type { ImageCache } from './image-cache.ts';
import type { PixelReader } from './images.ts';
import type { Preprocessing } from './preprocessing.ts';
import type { StoredImages } from './sources/source.ts';

/** Prepared images of other versions are not taken for ours. */
const version = 1;

let pool: DecodePool | undefined;

/** `place` tells apart sets whose files are alike: the path of the set. */
export async function readImages(
  stored: StoredImages,
  preprocessing: Preprocessing,
  place: string,
  cache: ImageCache,
): Promise<PixelReader> {
  const { size } = preprocessing;
  const bytes = size ** 2 * 3;
  const identity = identityOf(stored, preprocessing);
  const name = `${hashed(identity, place)}.pixels`;
  const file = await cache.growing(name, recordsLength(stored.count, bytes));
  const { grey, upright } = stored;
  return {
    size,
    count: stored.count,
    identity,
    read: async (indices) => {
      const slots = Array.from(indices);
      const target = new SharedArrayBuffer(slots.length * bytes);
      const images = slots.map((index) => stored.locate(index));
      await (pool ??= new DecodePool()).prepare({
        images,
        grey,
        upright,
        preprocessing,
        cache: file === undefined ? undefined : { file, slots },
        target,
        offset: 0,
      });
      return new Uint8Array(target);
    },
  };
}

/** Normalisation comes later, so that models which differ in nothing else share prepared images. */
function identityOf(
  { identity }: StoredImages,
  { edge, stretch, filter, size }: Preprocessing,
): string {
  return hashed(version, identity, edge, stretch, filter, size);
}

function hashed(...parts: readonly (string | number | boolean)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40);
}
