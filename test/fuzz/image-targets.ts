/** The readers of images and image sets under fuzzing; see targets.ts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { decodeImageBytes } from '../../main/data/decode-image.ts';
import { ImageCache } from '../../main/data/image-cache.ts';
import { parseImageList } from '../../main/data/sources/csv.ts';
import { parseIdxImages, parseIdxLabels } from '../../main/data/sources/idx.ts';
import { openSource } from '../../main/data/sources/open.ts';
import { AppError } from '../../main/lib/errors.ts';
import type { FuzzTarget } from './coverage-fuzzer.ts';

const golden = (path: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../golden/${path}`, import.meta.url)));
const words = (...all: string[]): Uint8Array[] => all.map((word) => Buffer.from(word, 'latin1'));

/** False for an AppError about data, which is an answer; anything else that is thrown is a bug. */
async function accepts(work: () => Promise<void> | void): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    assert.match(error.code, /^data\./);
    return false;
  }
}

const decodes = (input: Uint8Array): Promise<boolean> =>
  accepts(async () => {
    const bytes = Buffer.from(input);
    const { width, height, pixels } = await decodeImageBytes(bytes, 'f', { upright: true });
    assert.ok(width * height > 0);
    assert.equal(pixels.length, width * height * 3);
  });

/** Puts right checksums behind the chunks of a PNG, so that damage gets past them. */
function withChecksums(input: Uint8Array): Uint8Array {
  const bytes = Buffer.from(input);
  for (let at = 8; at + 12 <= bytes.length;) {
    const end = at + 8 + bytes.readUInt32BE(at);
    if (end + 4 > bytes.length) break;
    bytes.writeUInt32BE(crc32(bytes.subarray(at + 4, end)), end);
    at = end + 4;
  }
  return bytes;
}

/** Files are written into `folder`. */
export function imageTargets(folder: string): readonly FuzzTarget[] {
  const cacheFolder = join(folder, 'cache');
  return [
    {
      name: 'PNG with matching checksums',
      seeds: [
        ...['grey-16.png', 'palette-4-interlaced.png', 'type6-8-interlaced.png', 'grey-1.png'],
        'orientation.png',
      ].map((name) => golden(`images/${name}`)),
      tokens: words(
        'IHDR',
        'IDAT',
        'IEND',
        'PLTE',
        'tRNS',
        'eXIf',
        '\0\0\0\x0d',
        '\xff\xff\xff\xff',
      ),
      share: 0.1,
      run: (input) => decodes(withChecksums(input)),
    },
    {
      name: 'JPEG, WebP and PPM',
      seeds: ['grey.jpg', 'orientation-5.jpg', 'lossy.webp', 'lossless.webp', 'grey.pgm'].map(
        (name) => golden(`images/${name}`),
      ),
      tokens: words(
        '\xff\xd9',
        '\xff\xda',
        '\xff\xc0',
        '\xff\xe1',
        'Exif\0\0',
        'MM\0*',
        'VP8 ',
        'VP8L',
        'VP8X',
        'ANIM',
        'EXIF',
        'P6 ',
        '#',
      ),
      share: 0.1,
      run: decodes,
    },
    {
      name: 'lists of images',
      seeds: words('path,label\na.png,x\n"b ""c"".png",y\r\n', 'ClassId;Filename\n0;a\n'),
      tokens: words('"', '""', ',', ';', '\t', '\n', '\r\n', 'path', 'label', '\xef\xbb\xbf', ' '),
      share: 0.1,
      run: (input) =>
        accepts(() => {
          const { paths, classes } = parseImageList(Buffer.from(input).toString(), 'f');
          assert.ok(paths.length > 0 && paths.every((path) => path.trim() !== ''));
          assert.ok(classes === undefined || classes.length === paths.length);
        }),
    },
    {
      name: 'IDX',
      seeds: [
        Buffer.from('000008030000000200000001000000020102030400', 'hex').subarray(0, 20),
        Buffer.from('00000801000000030a0b0c', 'hex'),
      ],
      tokens: words('\0\0\x08\x03', '\0\0\x08\x01', '\0\0\0\0', '\0\0\0\x01', '\xff\xff\xff\xff'),
      share: 0.2,
      run: async (input) => {
        const bytes = Buffer.from(input);
        const images = await accepts(() => {
          const { count, width, height } = parseIdxImages(bytes, bytes.length, 'f');
          assert.equal(16 + count * width * height, bytes.length);
        });
        const labels = await accepts(() => {
          assert.equal(parseIdxLabels(bytes, 'f').length, bytes.length - 8);
        });
        return images || labels;
      },
    },
    {
      name: 'Parquet',
      seeds: ['hub', 'snappy', 'zstd', 'gzip'].map((name) => golden(`parquet/${name}.parquet`)),
      tokens: words(
        'PAR1',
        'image',
        'bytes',
        'label',
        '\0\0\0\0',
        '\xff\xff\xff\x7f',
        '\x15\x00',
        '\x19\x1c',
      ),
      share: 0.1,
      run: async (input) => {
        const path = join(folder, 'f.parquet');
        await writeFile(path, input);
        const accepted = await accepts(async () => {
          const source = await openSource(path);
          const stored = await source.images(new ImageCache(cacheFolder, 1e9));
          assert.equal(stored.count, source.count);
          assert.ok(source.labels === undefined || source.labels.length === source.count);
          for (let i = 0; i < stored.count; i++) assert.ok((stored.locate(i).length ?? -1) >= 0);
        });
        await rm(cacheFolder, { recursive: true, force: true });
        return accepted;
      },
    },
  ];
}
