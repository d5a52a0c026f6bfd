/** Image sets of tiny pictures of one colour each, opened for a task. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { ImageCache } from '../../../main/data/image-cache.ts';
import type { ImageStore } from '../../../main/data/images.ts';
import { openLabelledSet } from '../../../main/data/labelled-set.ts';
import { redOf } from '../../support/image-sets.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

export const folder = await temporaryFolder();
const cacheFolder = join(folder, 'cache');
const normalisation = { mean: [0, 0, 0], deviation: [1, 1, 1] } as const;
export const parquet = fileURLToPath(new URL('../../golden/parquet/', import.meta.url));

const size = 3;
export const optionsFor = (
  classNames?: readonly string[],
  cache = new ImageCache(cacheFolder),
) => ({
  task: 'a',
  normalisation,
  classNames,
  preprocessing: () =>
    Promise.resolve({
      edge: size,
      stretch: false,
      filter: 'bicubic',
      size,
      normalisation,
    } as const),
  cache,
});
export const open = (path: string, classNames?: readonly string[], cache?: ImageCache) =>
  openLabelledSet(path, optionsFor(classNames, cache));

/** Red of the middle of every image, read in one batch. */
export async function redsOf(
  store: ImageStore,
  indices = Array.from({ length: store.count }, (_, i) => i),
) {
  if ('pixels' in store) throw new Error('these images are in memory');
  const pixels = await store.read(indices);
  expect(pixels).toHaveLength(indices.length * size * size * 3);
  return indices.map((_, i) => pixels[(i * size * size + 4) * 3]!);
}
export const redsTo = (count: number) => Array.from({ length: count }, (_, i) => redOf(i));

let places = 0;
export async function place(): Promise<string> {
  const path = join(folder, `set-${places++}`);
  await mkdir(path);
  return path;
}
