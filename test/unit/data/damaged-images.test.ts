import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { pictureBytes, writePictures } from '../../support/image-sets.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { open, place, redsOf } from './image-sets.ts';

const jpeg = await pictureBytes(1, 'jpeg', { width: 40, height: 40 });
const png = await pictureBytes(1, 'png');
const hugePng = Buffer.concat([
  png.subarray(0, 16),
  Buffer.of(0, 1, 0, 0, 0, 1, 0, 0),
  png.subarray(24),
]);

describe('an image that cannot be decoded', () => {
  const broken = async (name: string, bytes: Buffer | string) => {
    const root = await place();
    await writePictures(root, ['a/1.png', 'b/1.png']);
    await writeFile(join(root, 'b', name), bytes);
    const { store } = (await open(root)).images;
    return 'read' in store ? store.read([0, 1, 2]) : undefined;
  };
  test.each<[string, string, Buffer | string, Parameters<typeof expectFailure>[1], RegExp]>([
    ['text', '2.png', 'hello', 'data.unreadable', /neither JPEG, PNG, WebP nor PPM/],
    ['nothing', '2.png', '', 'data.unreadable', /it is empty/],
    ['a GIF', '2.png', 'GIF89a…', 'data.image_unsupported', /it is a GIF image/],
    [
      'a Git LFS pointer',
      '2.png',
      'version https://git-lfs.github.com/spec/v1',
      'data.image_unsupported',
      /Git LFS/,
    ],
    ['a cut JPEG', '2.jpg', jpeg.subarray(0, jpeg.length - 9), 'data.image_truncated', /cut off/],
    ['a JPEG cut in its header', '2.jpg', jpeg.subarray(0, 30), 'data.image_truncated', /header/],
    ['a cut PNG', '2.png', png.subarray(0, png.length - 5), 'data.image_truncated', /cut off/],
    ['a damaged PNG', '2.png', hugePng, 'data.unreadable', /"IHDR" does not fit its checksum/],
    ['a huge PPM', '2.ppm', 'P6 99999 99999 255 ', 'data.image_too_large', /99999×99999 pixels/],
    ['a cut PPM', '2.ppm', 'P6 9 9 255 abc', 'data.image_truncated', /cut off/],
    ['a deep PPM', '2.ppm', 'P6 1 1 65535 abcdef', 'data.image_unsupported', /65535/],
  ])('says so: %s', async (_what, name, bytes, code, message) => {
    const error = await expectFailure(broken(name, bytes), code);
    expect(error.where).toContain(join('b', name));
    expect(error.what).toMatch(message);
  });

  it('is data.changed when it was taken away', async () => {
    const root = await place();
    await writePictures(root, ['a/1.png', 'b/1.png']);
    const { store } = (await open(root)).images;
    await rm(join(root, 'b', '1.png'));
    const error = await expectFailure(redsOf(store), 'data.changed');
    expect(error.where).toContain(join('b', '1.png'));
  });
});
