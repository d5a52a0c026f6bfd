/**
 * PNG images, decoded here because every decoder at hand mixes transparency or a colour profile into the
 * colours. What comes out is what Pillow's `Image.open(…).convert('RGB')` gives: colours as stored, 16-bit
 * colours by their upper byte, 16-bit grey clipped at 255, transparency and profiles left out.
 */
import { crc32, inflateSync } from 'node:zlib';
import { exifOrientation } from './exif.ts';
import { checkSize, ImageFault } from './fault.ts';

const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

export function isPng(bytes: Buffer): boolean {
  return bytes.subarray(0, 8).equals(signature);
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly interlaced: boolean;
}

export interface PngImage {
  readonly width: number;
  readonly height: number;
  readonly orientation: number;
  /** RGB. */
  readonly pixels: Uint8Array;
}

/** Samples of a pixel by colour type. */
const channelsOf = new Map([
  [0, 1],
  [2, 3],
  [3, 1],
  [4, 2],
  [6, 4],
]);
const depthsOf = new Map([
  [0, [1, 2, 4, 8, 16]],
  [2, [8, 16]],
  [3, [1, 2, 4, 8]],
  [4, [8, 16]],
  [6, [8, 16]],
]);
/** First column and row of each pass of an interlaced image, and their steps. */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;
const wholeImage = [[0, 0, 1, 1]] as const;

/** Throws an ImageFault for a file that is cut off, contradicts itself, or is too large. */
export function decodePng(bytes: Buffer): PngImage {
  const { header, palette, orientation, data } = readChunks(bytes);
  const { width, height, interlaced, depth, colour } = header;
  const channels = channelsOf.get(colour) ?? 0;
  const pixelBits = channels * depth;
  const passes = (interlaced ? adam7 : wholeImage).map(([left, top, right, down]) => {
    const columns = Math.ceil((width - left) / right);
    const rows = Math.ceil((height - top) / down);
    return { left, top, right, down, columns, rows, stride: Math.ceil((columns * pixelBits) / 8) };
  });
  const used = passes.filter(({ columns, rows }) => columns > 0 && rows > 0);
  const length = used.reduce((sum, { rows, stride }) => sum + rows * (1 + stride), 0);
  const raw = inflate(data, length);
  const pixels = new Uint8Array(width * height * 3);
  const toRgb = converter(header, palette);
  let at = 0;
  for (const { left, top, right, down, columns, rows, stride } of used) {
    unfilter(raw, at, rows, stride, Math.max(1, pixelBits >> 3));
    for (let row = 0; row < rows; row++, at += 1 + stride) {
      const target = ((top + row * down) * width + left) * 3;
      toRgb(raw, at + 1, columns, pixels, target, right * 3);
    }
  }
  return { width, height, orientation, pixels };
}

function readChunks(bytes: Buffer) {
  let header: Header | undefined;
  let palette: Buffer | undefined;
  let orientation = 1;
  const data: Buffer[] = [];
  for (let at = 8; ;) {
    if (at + 12 > bytes.length) throw new ImageFault('truncated', 'it is cut off');
    const length = bytes.readUInt32BE(at);
    const end = at + 8 + length;
    if (end + 4 > bytes.length) throw new ImageFault('truncated', 'it is cut off');
    const name = bytes.toString('latin1', at + 4, at + 8);
    const content = bytes.subarray(at + 8, end);
    const critical = /^[A-Z]/.test(name);
    if (critical && crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32BE(end)) {
      throw new ImageFault('unreadable', `its part "${name}" does not fit its checksum`);
    }
    if (header === undefined) {
      if (name !== 'IHDR') throw new ImageFault('unreadable', 'it does not begin with its header');
      header = readHeader(content);
    } else if (name === 'PLTE') palette = content;
    else if (name === 'IDAT') data.push(content);
    else if (name === 'eXIf') orientation = exifOrientation(content);
    else if (name === 'IEND') return { header, palette, orientation, data: Buffer.concat(data) };
    at = end + 4;
  }
}

function readHeader(content: Buffer): Header {
  if (content.length !== 13) throw new ImageFault('unreadable', 'its header is damaged');
  const [width, height] = [content.readUInt32BE(0), content.readUInt32BE(4)];
  const [depth = 0, colour = 0, compression, filtering, interlace = 0] = content.subarray(8);
  const known = depthsOf.get(colour)?.includes(depth) === true;
  if (!known || compression !== 0 || filtering !== 0 || interlace > 1) {
    throw new ImageFault('unreadable', 'its header names a form that PNG does not have');
  }
  checkSize(width, height);
  return { width, height, depth, colour, interlaced: interlace === 1 };
}

function inflate(data: Buffer, length: number): Buffer {
  let raw: Buffer;
  try {
    // Some writers leave bytes after the last row; a bomb leaves more than this.
    raw = inflateSync(data, { maxOutputLength: length + 65_536 });
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new ImageFault('unreadable', `its pixels cannot be decompressed (${what})`);
  }
  if (raw.length < length) throw new ImageFault('truncated', 'rows of it are missing');
  return raw;
}

/** Undoes the row filters in place; `at` is where the first row's filter byte lies, `back` a pixel's bytes. */
function unfilter(raw: Uint8Array, at: number, rows: number, stride: number, back: number): void {
  for (let row = 0; row < rows; row++) {
    const filter = raw[at + row * (stride + 1)] ?? 0;
    const from = at + row * (stride + 1) + 1;
    const above = row === 0 ? -1 : from - stride - 1;
    if (filter > 4) throw new ImageFault('unreadable', `a row names filter ${filter}`);
    if (filter === 0) continue;
    for (let i = 0; i < stride; i++) {
      const left = i >= back ? raw[from + i - back]! : 0;
      const up = above < 0 ? 0 : raw[above + i]!;
      const corner = above < 0 || i < back ? 0 : raw[above + i - back]!;
      const predicted =
        filter === 1
          ? left
          : filter === 2
            ? up
            : filter === 3
              ? (left + up) >> 1
              : paeth(left, up, corner);
      raw[from + i] = (raw[from + i]! + predicted) & 255;
    }
  }
}

function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [
    Math.abs(up - corner),
    Math.abs(left - corner),
    Math.abs(left + up - 2 * corner),
  ];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

/** Writes `count` pixels of a row at `from` as RGB, `step` bytes apart. */
type RowConverter = (
  row: Uint8Array,
  from: number,
  count: number,
  target: Uint8Array,
  at: number,
  step: number,
) => void;

function converter({ depth, colour }: Header, palette: Buffer | undefined): RowConverter {
  if (colour === 3) return indexed(depth, palette);
  if (colour === 0 && depth < 8) return packedGrey(depth);
  const bytes = depth / 8;
  const channels = channelsOf.get(colour) ?? 0;
  const isColour = colour === 2 || colour === 6;
  const [green, blue] = isColour ? [bytes, 2 * bytes] : [0, 0];
  const clipped = colour === 0 && depth === 16;
  return (row, from, count, target, at, step) => {
    for (let i = 0; i < count; i++, from += channels * bytes, at += step) {
      // Pillow keeps 16-bit grey whole and clips it when it makes RGB of it.
      const red = clipped && row[from]! > 0 ? 255 : row[clipped ? from + 1 : from]!;
      target[at] = red;
      target[at + 1] = isColour ? row[from + green]! : red;
      target[at + 2] = isColour ? row[from + blue]! : red;
    }
  };
}

/** Sample `i` of a row of samples of `depth` bits, most significant first. */
function sample(row: Uint8Array, from: number, i: number, depth: number): number {
  const bit = i * depth;
  return (row[from + (bit >> 3)]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}

function packedGrey(depth: number): RowConverter {
  const scale = 255 / ((1 << depth) - 1);
  return (row, from, count, target, at, step) => {
    for (let i = 0; i < count; i++, at += step) {
      target.fill(sample(row, from, i, depth) * scale, at, at + 3);
    }
  };
}

function indexed(depth: number, palette: Buffer | undefined): RowConverter {
  if (palette === undefined || palette.length % 3 !== 0) {
    throw new ImageFault('unreadable', 'its palette is missing or damaged');
  }
  return (row, from, count, target, at, step) => {
    for (let i = 0; i < count; i++, at += step) {
      const entry = sample(row, from, i, depth) * 3;
      if (entry >= palette.length) {
        throw new ImageFault('unreadable', 'a pixel names a colour that its palette does not have');
      }
      target[at] = palette[entry]!;
      target[at + 1] = palette[entry + 1]!;
      target[at + 2] = palette[entry + 2]!;
    }
  };
}
