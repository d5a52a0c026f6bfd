/** The segments of a JPEG file: its size, its orientation, and the same image without anything else. */
import { exifOrientation } from './exif.ts';
import { checkSize, ImageFault } from './fault.ts';

export interface ImageContainer {
  readonly width: number;
  readonly height: number;
  readonly orientation: number;
  /** The image alone: no colour profile and no orientation that a decoder might apply. */
  readonly plain: Buffer;
  /** Whether pixels may be transparent. */
  readonly alpha: boolean;
}

const endOfImage = Buffer.of(0xff, 0xd9);
const marker = { start: 0xd8, scan: 0xda, comment: 0xfe, jfif: 0xe0, exif: 0xe1, adobe: 0xee };
const exifName = Buffer.from('Exif\0\0', 'latin1');

export function isJpeg(bytes: Buffer): boolean {
  return bytes[0] === 0xff && bytes[1] === marker.start && bytes[2] === 0xff;
}

/** Throws an ImageFault for a file that is cut off, contradicts itself, or is too large. */
export function readJpeg(bytes: Buffer): ImageContainer {
  const kept = [bytes.subarray(0, 2)];
  let size: { width: number; height: number } | undefined;
  let orientation = 1;
  for (let at = 2; ;) {
    while (bytes[at] === 0xff && bytes[at + 1] === 0xff) at++;
    if (at + 4 > bytes.length) throw new ImageFault('truncated', 'it ends within its header');
    const code = bytes[at + 1] ?? 0;
    if (bytes[at] !== 0xff) throw new ImageFault('unreadable', 'its header is damaged');
    if (code === marker.scan) {
      if (size === undefined) throw new ImageFault('unreadable', 'it does not say its size');
      // Entropy-coded data never holds this marker, so a file without it lacks its end.
      if (bytes.lastIndexOf(endOfImage) < at) throw new ImageFault('truncated', 'it is cut off');
      kept.push(bytes.subarray(at));
      return { ...size, orientation, plain: Buffer.concat(kept), alpha: false };
    }
    const length = bytes.readUInt16BE(at + 2);
    const end = at + 2 + length;
    if (length < 2) throw new ImageFault('unreadable', 'its header is damaged');
    if (end > bytes.length) throw new ImageFault('truncated', 'it ends within its header');
    const content = bytes.subarray(at + 4, end);
    if (isFrame(code)) size = frameSize(content);
    if (code === marker.exif && content.subarray(0, 6).equals(exifName)) {
      orientation = exifOrientation(content.subarray(6));
    }
    if (belongsToImage(code)) kept.push(bytes.subarray(at, end));
    at = end;
  }
}

/** Frame headers are C0 to CF, but for the tables C4 and CC and the reserved C8. */
function isFrame(code: number): boolean {
  return code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc;
}

function belongsToImage(code: number): boolean {
  const isApplication = code >= marker.jfif && code <= 0xef;
  if (code === marker.comment) return false;
  // Adobe's segment says how the colours are coded.
  return !isApplication || code === marker.jfif || code === marker.adobe;
}

function frameSize(content: Buffer): { width: number; height: number } {
  if (content.length < 6) throw new ImageFault('unreadable', 'its header is damaged');
  const [precision, height, width] = [content[0], content.readUInt16BE(1), content.readUInt16BE(3)];
  if (precision !== 8)
    throw new ImageFault('unsupported', `it has ${String(precision)} bits a colour`);
  checkSize(width, height);
  return { width, height };
}
