/** Tiles as a run with a corruption would see them, at the size of the tiles. */
import type { CorruptionChoice } from '../api/common.ts';
import { corruptImage } from '../data/corruptions/corruptions.ts';

interface Tiles {
  readonly size: number;
  readonly pixels: Uint8Array;
}

/** The pixels of `tiles`, which are the images named. Throws `recipe.invalid` for an unknown kind. */
export async function corruptedTiles(
  { size, pixels }: Tiles,
  {
    task,
    images,
    corruption,
  }: {
    readonly task: string;
    readonly images: readonly number[];
    readonly corruption?: (CorruptionChoice & { readonly seed: number }) | undefined;
  },
): Promise<Uint8Array> {
  if (corruption === undefined) return pixels;
  const { seed } = corruption;
  const corrupted = new Uint8Array(pixels.length);
  const bytes = size ** 2 * 3;
  for (const [i, index] of images.entries()) {
    const own = pixels.subarray(i * bytes, (i + 1) * bytes);
    corrupted.set(await corruptImage(own, size, corruption, { seed, task, index }), i * bytes);
  }
  return corrupted;
}
