/** The chunks of a WebP file: its size, its orientation, and the same image without anything else. */
import { exifOrientation } from './exif.ts';
import { checkSize, ImageFault } from './fault.ts';
import type { ImageContainer } from './jpeg.ts';

export function isWebp(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP';
}

/** Throws an ImageFault for a file that is cut off, contradicts itself, or is too large. */
export function readWebp(bytes: Buffer): ImageContainer {
  if (bytes.length < 20 || bytes.readUInt32LE(4) + 8 > bytes.length) {
    throw new ImageFault('truncated', 'it is cut off');
  }
  let orientation = 1;
  let image: { name: string; content: Buffer } | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const name = bytes.toString('latin1', at, at + 4);
    const length = bytes.readUInt32LE(at + 4);
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (content.length < length) throw new ImageFault('truncated', 'it is cut off');
    if (name === 'ANIM' || name === 'ANMF') {
      throw new ImageFault('unsupported', 'it is an animation');
    }
    if (name === 'EXIF') orientation = exifOrientation(withoutExifName(content));
    if (name === 'VP8 ' || name === 'VP8L') image ??= { name, content };
    at += 8 + length + (length & 1);
  }
  if (image === undefined) throw new ImageFault('unreadable', 'it holds no image');
  const size = image.name === 'VP8 ' ? lossySize(image.content) : losslessSize(image.content);
  checkSize(size.width, size.height);
  // A lossy image keeps its transparency in a chunk of its own, which stays behind here: what is left
  // are its colours as they are under it.
  return { ...size, orientation, plain: inContainer(image.name, image.content) };
}

function withoutExifName(content: Buffer): Buffer {
  return content.toString('latin1', 0, 4) === 'Exif' ? content.subarray(6) : content;
}

function lossySize(content: Buffer): Pick<ImageContainer, 'width' | 'height' | 'alpha'> {
  if (content.length < 10 || content.readUIntBE(3, 3) !== 0x9d012a) {
    throw new ImageFault('unreadable', 'its header is damaged');
  }
  const [width, height] = [content.readUInt16LE(6) & 0x3fff, content.readUInt16LE(8) & 0x3fff];
  return { width, height, alpha: false };
}

function losslessSize(content: Buffer): Pick<ImageContainer, 'width' | 'height' | 'alpha'> {
  if (content.length < 5 || content[0] !== 0x2f) {
    throw new ImageFault('unreadable', 'its header is damaged');
  }
  const bits = content.readUInt32LE(1);
  const [width, height] = [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
  return { width, height, alpha: ((bits >>> 28) & 1) === 1 };
}

function inContainer(name: string, content: Buffer): Buffer {
  const padded = content.length + (content.length & 1);
  const bytes = Buffer.alloc(20 + padded);
  bytes.write('RIFF', 0, 'latin1');
  bytes.writeUInt32LE(12 + padded, 4);
  bytes.write(`WEBP${name}`, 8, 'latin1');
  bytes.writeUInt32LE(content.length, 16);
  content.copy(bytes, 20);
  return bytes;
}
