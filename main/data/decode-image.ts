/**
 * Pixels of image files as Pillow's `Image.open(…).convert('RGB')` gives them. Skia decodes JPEG and WebP
 * with the libraries that Pillow uses; it is handed the image alone, so that it applies no colour profile,
 * no orientation and no transparency of its own.
 */
import { readFile } from 'node:fs/promises';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import type { ErrorCode } from '../lib/error-codes.ts';
import { AppError } from '../lib/errors.ts';
import { ImageFault, type ImageFaultKind } from './image-files/fault.ts';
import { isJpeg, readJpeg, type ImageContainer } from './image-files/jpeg.ts';
import { decodeNetpbm, isNetpbm } from './image-files/netpbm.ts';
import { decodePng, isPng } from './image-files/png.ts';
import { isWebp, readWebp } from './image-files/webp.ts';

export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  /** RGB, 8 bits each, rows from the top; transparency is left out. */
  readonly pixels: Uint8Array;
}

type StoredImage = DecodedImage & { readonly orientation?: number };

interface Codec {
  readonly matches: (bytes: Buffer) => boolean;
  readonly decode: (bytes: Buffer) => StoredImage | Promise<StoredImage>;
}

const codecs: readonly Codec[] = [
  { matches: isJpeg, decode: (bytes) => decodeContained(readJpeg(bytes)) },
  { matches: isPng, decode: decodePng },
  { matches: isWebp, decode: (bytes) => decodeContained(readWebp(bytes)) },
  { matches: isNetpbm, decode: decodeNetpbm },
];

/** Kinds that are recognised to say what a file is. */
const strangers: readonly (readonly [string, string])[] = [
  ['GIF8', 'a GIF image'],
  ['BM', 'a BMP image'],
  ['II*\0', 'a TIFF image'],
  ['MM\0*', 'a TIFF image'],
  ['\0\0\0\x0cJXL ', 'a JPEG XL image'],
  ['<svg', 'an SVG drawing'],
  ['<', 'a web page or XML'],
  ['version https://git-lfs', 'a pointer to a file in Git LFS, which was not fetched'],
];

const codes: Record<ImageFaultKind, ErrorCode> = {
  unreadable: 'data.unreadable',
  truncated: 'data.image_truncated',
  unsupported: 'data.image_unsupported',
  too_large: 'data.image_too_large',
};
const hints: Record<ImageFaultKind, string> = {
  unreadable: 'replace the file by an intact JPEG, PNG or WebP image, or take it out of the set',
  truncated: 'fetch or copy the file again, or take it out of the set',
  unsupported: 'convert it to JPEG, PNG or WebP',
  too_large: 'make it smaller, or take it out of the set',
};

/** Decodes the file at `path`. Throws what `decodeImageBytes` throws. */
export async function decodeImage(path: string): Promise<DecodedImage> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw imageError(new ImageFault('unreadable', 'it cannot be read'), path, cause);
  }
  return decodeImageBytes(bytes, path);
}

/**
 * Decodes an image that lies at `where`. With `upright`, it is turned as its EXIF orientation says.
 * Throws `data.unreadable`, `data.image_truncated`, `data.image_unsupported` or `data.image_too_large`.
 */
export async function decodeImageBytes(
  bytes: Buffer,
  where: string,
  { upright = false }: { upright?: boolean } = {},
): Promise<DecodedImage> {
  try {
    const codec = codecs.find(({ matches }) => matches(bytes));
    if (codec === undefined) throw stranger(bytes);
    const { orientation = 1, ...image } = await codec.decode(bytes);
    return upright ? turned(image, orientation) : image;
  } catch (cause) {
    if (cause instanceof ImageFault) throw imageError(cause, where);
    throw imageError(new ImageFault('unreadable', 'its data is damaged'), where, cause);
  }
}

function imageError(fault: ImageFault, where: string, cause?: unknown): AppError {
  return new AppError(codes[fault.kind], {
    what: `an image cannot be decoded: ${fault.message}`,
    where,
    hint: hints[fault.kind],
    cause: cause ?? fault,
  });
}

function stranger(bytes: Buffer): ImageFault {
  if (bytes.length === 0) return new ImageFault('unreadable', 'it is empty');
  const start = bytes.toString('latin1', 0, 32);
  const found = strangers.find(([magic]) => start.startsWith(magic));
  if (found !== undefined) return new ImageFault('unsupported', `it is ${found[1]}`);
  return new ImageFault('unreadable', 'it is neither JPEG, PNG, WebP nor PPM');
}

async function decodeContained(container: ImageContainer): Promise<StoredImage> {
  const { width, height, plain, orientation, alpha } = container;
  const image = await loadImage(plain);
  if (image.width !== width || image.height !== height) {
    throw new ImageFault('unreadable', 'its header contradicts its data');
  }
  const context = createCanvas(width, height).getContext('2d');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    // A canvas multiplies colours by their transparency, which loses some of them.
    if (alpha && data[from + 3] !== 255) {
      throw new ImageFault('unsupported', 'it is a lossless WebP with transparent pixels');
    }
    pixels[to] = data[from]!;
    pixels[to + 1] = data[from + 1]!;
    pixels[to + 2] = data[from + 2]!;
  }
  return { width, height, pixels, orientation };
}

/**
 * How the upright image is read from the stored one, by EXIF orientation: whether rows become columns, and
 * whether columns and rows of the stored image then count from their end.
 */
const turns: readonly (readonly [swapped: boolean, fromRight: boolean, fromBottom: boolean])[] = [
  [false, false, false],
  [false, true, false],
  [false, true, true],
  [false, false, true],
  [true, false, false],
  [true, false, true],
  [true, true, true],
  [true, true, false],
];

function turned(image: DecodedImage, orientation: number): DecodedImage {
  const [swapped, fromRight, fromBottom] = turns[orientation - 1] ?? [false, false, false];
  if (orientation === 1) return image;
  const [width, height] = swapped ? [image.height, image.width] : [image.width, image.height];
  const pixels = new Uint8Array(image.pixels.length);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      const [u, v] = swapped ? [y, x] : [x, y];
      const column = fromRight ? image.width - 1 - u : u;
      const row = fromBottom ? image.height - 1 - v : v;
      const from = (row * image.width + column) * 3;
      pixels[to] = image.pixels[from]!;
      pixels[to + 1] = image.pixels[from + 1]!;
      pixels[to + 2] = image.pixels[from + 2]!;
    }
  }
  return { width, height, pixels };
}
