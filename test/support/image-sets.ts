/** Small image sets of every kind. Image number i is one colour, whose red part is `redOf(i)`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';

export const redOf = (number: number) => (number * 10) % 256;

/** The bytes of an image file of one colour. */
export async function pictureBytes(
  number: number,
  format: 'png' | 'jpeg' | 'webp' = 'png',
  { width = 7, height = 5 } = {},
): Promise<Buffer> {
  const background = { r: redOf(number), g: 255 - redOf(number), b: 7 };
  return sharp({ create: { width, height, channels: 3, background } })
    .toFormat(format)
    .toBuffer();
}

/** Writes images at paths below `folder`, numbered in the order given. */
export async function writePictures(folder: string, paths: readonly string[]): Promise<void> {
  for (const [number, path] of paths.entries()) {
    const format = path.endsWith('.jpg') ? 'jpeg' : path.endsWith('.webp') ? 'webp' : 'png';
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), await pictureBytes(number, format));
  }
}

/** An IDX file of unsigned bytes. */
export function idxBytes(dimensions: readonly number[], values: ArrayLike<number>): Buffer {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.writeUInt32BE(0x0800 + dimensions.length, 0);
  dimensions.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([header, Uint8Array.from(values)]);
}

/** Writes an IDX pair of grey images of 4 × 3 pixels, each of one value; returns the path of the images. */
export async function writeIdx(
  folder: string,
  greys: readonly number[],
  labels: readonly number[] | undefined,
  { zipped = false, prefix = 't10k' } = {},
): Promise<string> {
  const pack = (bytes: Buffer) => (zipped ? gzipSync(bytes) : bytes);
  const end = zipped ? '.gz' : '';
  const images = greys.flatMap((grey) => new Array<number>(12).fill(grey));
  const path = join(folder, `${prefix}-images-idx3-ubyte${end}`);
  await mkdir(folder, { recursive: true });
  await writeFile(path, pack(idxBytes([greys.length, 3, 4], images)));
  if (labels !== undefined) {
    const file = join(folder, `${prefix}-labels-idx1-ubyte${end}`);
    await writeFile(file, pack(idxBytes([labels.length], labels)));
  }
  return path;
}
