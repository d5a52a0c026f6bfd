/** One order of a decoding thread: images from their bytes, or from what was prepared before, to pixels. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { AppError } from '../../lib/errors.ts';
import { decodeImageBytes, type DecodedImage } from '../decode-image.ts';
import { repeated } from '../image-files/netpbm.ts';
import { preparedPixels } from '../preprocessing.ts';
import type { ImageLocation } from '../sources/source.ts';
import type { DecodeOrder } from './protocol.ts';
import { Records } from './records.ts';

/** A file larger than this is no image. */
const largestFile = 2 ** 30;

/** Throws what `decodeImageBytes` throws, and `data.changed`. */
export async function prepareImages(order: DecodeOrder): Promise<void> {
  const { images, preprocessing, cache, target, offset } = order;
  const bytes = preprocessing.size ** 2 * 3;
  const records = cache === undefined ? undefined : Records.open(cache.file, bytes);
  try {
    for (const [i, location] of images.entries()) {
      const pixels = new Uint8Array(target, offset + i * bytes, bytes);
      const slot = cache?.slots[i] ?? 0;
      if (records?.read(slot, pixels) === true) continue;
      pixels.set(preparedPixels(await decode(location, order), preprocessing));
      records?.write(slot, pixels);
    }
  } finally {
    records?.close();
  }
}

async function decode(
  location: ImageLocation,
  { grey, upright }: Pick<DecodeOrder, 'grey' | 'upright'>,
): Promise<DecodedImage> {
  const bytes = readBytes(location);
  if (grey === undefined) return decodeImageBytes(bytes, location.name, { upright });
  return { width: grey.width, height: grey.height, pixels: repeated(bytes) };
}

function readBytes({ file, offset, length, name }: ImageLocation): Buffer {
  try {
    const opened = openSync(file, 'r');
    try {
      const wanted = length ?? fstatSync(opened).size - offset;
      if (wanted > largestFile) throw new Error('the file is larger than any image');
      const bytes = Buffer.allocUnsafe(wanted);
      if (readSync(opened, bytes, 0, wanted, offset) === wanted) return bytes;
      throw new Error('the file is shorter than it was');
    } finally {
      closeSync(opened);
    }
  } catch (cause) {
    throw new AppError('data.changed', {
      what: 'an image that was there at the start cannot be read any more',
      where: name,
      hint: 'start again once its file, or the folder of prepared images, is left alone',
      cause,
    });
  }
}
