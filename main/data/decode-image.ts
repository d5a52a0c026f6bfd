/** Pixels of PNG and WebP files. */
import { readFile } from 'node:fs/promises';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { AppError } from '../lib/errors.ts';

export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  /** RGB, 8 bits each, rows from the top; transparency is left out. */
  readonly pixels: Uint8Array;
}

/** Decodes the file at `path`. Throws `data.unreadable`. */
export async function decodeImage(path: string): Promise<DecodedImage> {
  try {
    const bytes = await readFile(path);
    // The decoder would fill what is missing of a file that was cut off with grey.
    if (!isWhole(bytes)) throw new Error('the file is cut off, or neither PNG nor WebP');
    const image = await loadImage(bytes);
    const { width, height } = image;
    const context = createCanvas(width, height).getContext('2d');
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    const pixels = new Uint8Array(width * height * 3);
    for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
      pixels[to] = data[from]!;
      pixels[to + 1] = data[from + 1]!;
      pixels[to + 2] = data[from + 2]!;
    }
    return { width, height, pixels };
  } catch (cause) {
    throw new AppError('data.unreadable', {
      what: 'an image cannot be decoded',
      where: path,
      hint: 'replace the file by an intact PNG or WebP image',
      cause,
    });
  }
}

const pngSignature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** The chunk every PNG ends with: no data, its name, its checksum. */
const pngEnd = Buffer.from('0000000049454e44ae426082', 'hex');

/** Whether a PNG has its last chunk, or a WebP the length that it says. */
function isWhole(bytes: Buffer): boolean {
  if (bytes.subarray(0, 8).equals(pngSignature)) {
    return bytes.subarray(-pngEnd.length).equals(pngEnd);
  }
  const isWebp =
    bytes.length > 12 &&
    bytes.toString('latin1', 0, 4) === 'RIFF' &&
    bytes.toString('latin1', 8, 12) === 'WEBP';
  return isWebp && bytes.readUInt32LE(4) + 8 <= bytes.length;
}
