/** Images against Pillow and the CLIPImageProcessor of Hugging Face transformers: see images.py. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeImage, decodeImageBytes } from '../../main/data/decode-image.ts';
import { imageBatch } from '../../main/data/images.ts';
import { preparedPixels, readPreprocessing } from '../../main/data/preprocessing.ts';
import type { ResamplingFilter } from '../../main/data/resample.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

interface Expected {
  readonly width: number;
  readonly height: number;
  readonly rgb: number;
  readonly upright: number;
  /** CRC-32 by filter and size. */
  readonly prepared: Readonly<Record<string, number>>;
  readonly values: readonly number[];
}

const folder = fileURLToPath(new URL('images/', import.meta.url));
const { files } = JSON.parse(readFileSync(`${folder}expected.json`, 'utf8')) as {
  readonly files: Readonly<Record<string, Expected>>;
};
const cases = Object.entries(files);
const plain = { mean: [0, 0, 0], deviation: [1, 1, 1] } as const;

describe.each(cases)('%s', (name, expected) => {
  const path = folder + name;

  it('has the pixels that Pillow reads', async () => {
    const { width, height, pixels } = await decodeImage(path);
    expect([width, height]).toEqual([expected.width, expected.height]);
    expect(crc32(pixels)).toBe(expected.rgb);
  });

  it('is turned upright as Pillow does it', async () => {
    const { pixels } = await decodeImageBytes(await readFile(path), path, { upright: true });
    expect(crc32(pixels)).toBe(expected.upright);
  });

  it('is resized and cut to the bit', async () => {
    const image = await decodeImage(path);
    for (const [key, checksum] of Object.entries(expected.prepared)) {
      const [filter, edge] = key.split('/') as [ResamplingFilter, string];
      const size = Number(edge);
      const pixels = preparedPixels(image, {
        edge: size + Math.floor(size / 7),
        stretch: false,
        filter,
        size,
        normalisation: plain,
      });
      expect(crc32(pixels), key).toBe(checksum);
    }
  });

  it('gives the values of CLIPImageProcessor', async () => {
    const size = Math.sqrt(expected.values.length / 3);
    // A model without settings of its own: those of CLIP.
    const preprocessing = await readPreprocessing(await temporaryFolder(), size);
    const pixels = preparedPixels(await decodeImage(path), preprocessing);
    const { normalisation } = preprocessing;
    const set = { task: 'a', store: { size, count: 1, pixels }, normalisation };
    const { data } = await imageBatch(set, [0]);
    data.forEach((value, i) => expect(value).toBeCloseTo(expected.values[i]!, 5));
  });
});
