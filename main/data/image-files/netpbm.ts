/** Binary grey and colour images of the Netpbm family (PGM, PPM), in which traffic-sign sets come. */
import { checkSize, ImageFault } from './fault.ts';

const header =
  /^P([56])(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,5})\s/;

export function isNetpbm(bytes: Buffer): boolean {
  return /^P[56]\s/.test(bytes.toString('latin1', 0, 3));
}

/** Throws an ImageFault for a file that is cut off, contradicts itself, or is too large. */
export function decodeNetpbm(bytes: Buffer): { width: number; height: number; pixels: Uint8Array } {
  const found = header.exec(bytes.toString('latin1', 0, 512));
  if (found === null) throw new ImageFault('unreadable', 'its header is damaged');
  const [start, kind] = found;
  const [width, height, most] = [Number(found[2]), Number(found[3]), Number(found[4])];
  if (most !== 255) throw new ImageFault('unsupported', `its colours go up to ${most}, not 255`);
  checkSize(width, height);
  const channels = kind === '6' ? 3 : 1;
  const data = bytes.subarray(start.length, start.length + width * height * channels);
  if (data.length < width * height * channels) throw new ImageFault('truncated', 'it is cut off');
  return { width, height, pixels: channels === 3 ? Uint8Array.from(data) : repeated(data) };
}

/** Grey values as RGB. */
export function repeated(grey: Uint8Array): Uint8Array {
  const pixels = new Uint8Array(grey.length * 3);
  for (let i = 0; i < grey.length; i++) pixels.fill(grey[i]!, 3 * i, 3 * i + 3);
  return pixels;
}
