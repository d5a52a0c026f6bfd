/** Pixelation: shrunk and enlarged again with Pillow's box filter. */
import { defineCorruption } from './corruption.ts';

/** Weights are fixed-point numbers of 22 bits, as in Pillow, so that bytes agree. */
const one = 2 ** 22;

export const pixelate = defineCorruption<number>({
  id: 'pixelate',
  title: 'Pixelation',
  summary: 'A picture of low resolution, enlarged: shrunk to a share of its width and back.',
  constants: {
    cifar: [0.95, 0.9, 0.85, 0.75, 0.65],
    imagenet: [0.6, 0.5, 0.4, 0.3, 0.25],
  },
  apply: ({ size, pixels }, share, { scale }) => {
    // The published generators shrink to a share of 32 or 224 pixels, however large the image is.
    const small = Math.max(1, Math.trunc(Math.round(size / scale) * share));
    return resizeBox(resizeBox(pixels, size, small), small, size);
  },
});

/** Resizes a square RGB image; columns first, then rows, with bytes in between. */
function resizeBox(pixels: Uint8Array, from: number, to: number): Uint8Array {
  if (from === to) return pixels;
  const taps = boxTaps(from, to);
  const wide = new Uint8Array(from * to * 3);
  for (let row = 0; row < from; row++) {
    for (let x = 0; x < to; x++) {
      for (let channel = 0; channel < 3; channel++) {
        wide[3 * (row * to + x) + channel] = blend(
          taps[x],
          (at) => pixels[3 * (row * from + at) + channel] ?? 0,
        );
      }
    }
  }
  const resized = new Uint8Array(to * to * 3);
  for (let y = 0; y < to; y++) {
    for (let i = 0; i < 3 * to; i++) {
      resized[3 * y * to + i] = blend(taps[y], (at) => wide[3 * at * to + i] ?? 0);
    }
  }
  return resized;
}

interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

/** The source pixels that each pixel is the mean of. */
function boxTaps(from: number, to: number): Taps[] {
  const step = from / to;
  const width = Math.max(1, step);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * step;
    const first = Math.max(0, Math.trunc(centre - width / 2 + 0.5));
    const end = Math.min(from, Math.trunc(centre + width / 2 + 0.5));
    const inside = Array.from({ length: end - first }, (_unused, j) => {
      const distance = (first + j - centre + 0.5) / width;
      return distance > -0.5 && distance <= 0.5 ? 1 : 0;
    });
    const total = inside.reduce<number>((sum, weight) => sum + weight, 0);
    return { first, weights: inside.map((weight) => Math.trunc(0.5 + (weight / total) * one)) };
  });
}

function blend(taps: Taps | undefined, value: (at: number) => number): number {
  const { first, weights } = taps ?? { first: 0, weights: [] };
  const sum = weights.reduce((total, weight, i) => total + weight * value(first + i), one / 2);
  return Math.min(255, Math.floor(sum / one));
}
