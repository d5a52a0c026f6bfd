/** JPEG compression, by the encoder of Skia (libjpeg-turbo, chroma halved, as Pillow's default). */
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { defineCorruption } from './corruption.ts';

export const jpegCompression = defineCorruption<number>({
  id: 'jpeg_compression',
  title: 'JPEG compression',
  summary: 'Saved as JPEG of a low quality.',
  constants: {
    cifar: [80, 65, 58, 50, 40],
    imagenet: [25, 18, 15, 10, 7],
  },
  apply: async ({ size, pixels }, quality) => {
    const canvas = createCanvas(size, size);
    const context = canvas.getContext('2d');
    const content = context.createImageData(size, size);
    for (let i = 0; i < size ** 2; i++) {
      content.data.set(pixels.subarray(3 * i, 3 * i + 3), 4 * i);
      content.data[4 * i + 3] = 255;
    }
    context.putImageData(content, 0, 0);
    const encoded = await canvas.encode('jpeg', quality);
    context.drawImage(await loadImage(encoded), 0, 0);
    const { data } = context.getImageData(0, 0, size, size);
    return pixels.map((_, i) => data[4 * Math.floor(i / 3) + (i % 3)] ?? 0);
  },
});
