import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ImageCache } from '../../../main/data/image-cache.ts';
import { pictureBytes, redOf, writePictures } from '../../support/image-sets.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { open, parquet, place, redsOf, redsTo } from './image-sets.ts';

describe('the cache', () => {
  const counted = async (cache: string) =>
    (await readdir(cache)).filter((name) => name.endsWith('.pixels')).length;

  it('keeps prepared images: the files are not decoded again', async () => {
    const root = await place();
    const cache = join(root, 'kept');
    await writePictures(root, ['s/a/1.png', 's/b/1.png', 's/b/2.png']);
    const { store } = (await open(join(root, 's'), undefined, new ImageCache(cache))).images;
    await redsOf(store, [0, 2]);
    await rm(join(root, 's', 'a', '1.png'));
    expect(await redsOf(store, [2, 0])).toEqual([redOf(2), redOf(0)]);
    await rm(join(root, 's', 'b', '1.png'));
    await expectFailure(redsOf(store, [1]), 'data.changed');
  });

  it('is not believed where it is damaged, and may be deleted at any time', async () => {
    const root = await place();
    const cache = join(root, 'kept');
    await writePictures(root, ['s/a/1.png', 's/b/1.png']);
    const { store } = (await open(join(root, 's'), undefined, new ImageCache(cache))).images;
    expect(await redsOf(store)).toEqual(redsTo(2));
    const [name = ''] = await readdir(cache);
    const bytes = await readFile(join(cache, name));
    bytes[5] = (bytes[5] ?? 0) ^ 1;
    await writeFile(join(cache, name), bytes);
    expect(await redsOf(store)).toEqual(redsTo(2));
    expect(await readFile(join(cache, name))).not.toEqual(bytes);
    await truncate(join(cache, name), 20);
    expect(await redsOf(store)).toEqual(redsTo(2));
    await rm(cache, { recursive: true });
    expect(await redsOf(store)).toEqual(redsTo(2));
  });

  it('is another file for images that changed, are prepared otherwise or lie elsewhere', async () => {
    const root = await place();
    const cache = new ImageCache(join(root, 'kept'));
    await writePictures(root, ['s/a/1.png', 's/b/1.png']);
    const use = async (path: string) => redsOf((await open(path, undefined, cache)).images.store);
    await use(join(root, 's'));
    await use(join(root, 's'));
    expect(await counted(join(root, 'kept'))).toBe(1);
    await writeFile(join(root, 's', 'a', '1.png'), await pictureBytes(9, 'png', { width: 30 }));
    expect(await use(join(root, 's'))).toEqual([redOf(9), redOf(1)]);
    expect(await counted(join(root, 'kept'))).toBe(2);
  });

  it('stays within its bounds: what was used longest ago goes first', async () => {
    const root = await place();
    await mkdir(join(root, 'kept'));
    const whole = async (cache: ImageCache, name: string) =>
      cache.whole(name, 8192, async (file) => {
        await file.write(Buffer.alloc(8192, 1));
      });
    // Every process has its own; what one works with it does not drop.
    for (const name of ['first', 'second', 'third']) {
      await whole(new ImageCache(join(root, 'kept'), 20_000), name);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect((await readdir(join(root, 'kept'))).sort()).toEqual(['second', 'third']);
    const small = new ImageCache(join(root, 'kept'), 4096);
    expect(await small.growing('large', 8192)).toBeUndefined();
    expect(await small.growing('small', 1024)).toBe(join(root, 'kept', 'small'));
  });

  it('that cannot be written leaves images as they are', async () => {
    const root = await place();
    await writePictures(root, ['s/a/1.png', 's/b/1.png']);
    await writeFile(join(root, 'file'), '');
    const cache = new ImageCache(join(root, 'file'));
    const { store } = (await open(join(root, 's'), undefined, cache)).images;
    expect(await redsOf(store)).toEqual(redsTo(2));
    await expectFailure(open(`${parquet}hub.parquet`, undefined, cache), 'file.write_failed');
  });

  it('leaves nothing unfinished behind', async () => {
    const root = await place();
    const cache = new ImageCache(join(root, 'kept'));
    const failing = cache.whole('name', 10, () => Promise.reject(new Error('stopped')));
    await expect(failing).rejects.toThrow('stopped');
    expect(await readdir(join(root, 'kept'))).toEqual([]);
  });
});
