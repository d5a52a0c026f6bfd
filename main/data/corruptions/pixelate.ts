/** Pixelation: shrunk and enlarged again with Pillow's box filter. */
import { resizedSquare } from '../resample.ts';
import { defineCorruption } from './corruption.ts';

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
    return resize(resize(pixels, size, small), small, size);
  },
});

function resize(pixels: Uint8Array, from: number, to: number): Uint8Array {
  const image = { width: from, height: from, pixels };
  return resizedSquare(image, { width: to, height: to, left: 0, top: 0, size: to, filter: 'box' });
}
