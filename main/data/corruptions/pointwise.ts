/** Corruptions that treat every pixel by itself: noises and contrast. */
import { defineCorruption, toByte } from './corruption.ts';

/** x + N(0, σ²), every channel for itself. */
export const gaussianNoise = defineCorruption<number>({
  id: 'gaussian_noise',
  title: 'Gaussian noise',
  summary: 'Noise of a sensor in the dark, of standard deviation σ in units of the full range.',
  constants: {
    cifar: [0.04, 0.06, 0.08, 0.09, 0.1],
    imagenet: [0.08, 0.12, 0.18, 0.26, 0.38],
  },
  apply: ({ pixels }, deviation, { noise }) => {
    const normals = noise.normals(pixels.length);
    return pixels.map((value, i) => toByte(value / 255 + deviation * (normals[i] ?? 0)));
  },
});

/** Salt and pepper: a share of all channel values becomes 0 or 1. */
export const impulseNoise = defineCorruption<number>({
  id: 'impulse_noise',
  title: 'Impulse noise',
  summary: 'Single channel values turned fully on or off, as bit errors do.',
  constants: {
    cifar: [0.01, 0.02, 0.03, 0.05, 0.07],
    imagenet: [0.03, 0.06, 0.09, 0.17, 0.27],
  },
  apply: ({ pixels }, share, { noise }) => {
    const flipped = noise.uniforms(pixels.length);
    const salted = noise.uniforms(pixels.length);
    return pixels.map((value, i) => {
      if ((flipped[i] ?? 1) > share) return toByte(value / 255);
      return (salted[i] ?? 0) <= 0.5 ? 255 : 0;
    });
  },
});

/** (x − mean) c + mean, with the mean of each channel over the image. */
export const contrast = defineCorruption<number>({
  id: 'contrast',
  title: 'Low contrast',
  summary: 'Every channel is drawn towards its mean over the image.',
  constants: {
    cifar: [0.75, 0.5, 0.4, 0.3, 0.15],
    imagenet: [0.4, 0.3, 0.2, 0.1, 0.05],
  },
  apply: ({ size, pixels }, factor) => {
    const sums = [0, 0, 0];
    pixels.forEach((value, i) => (sums[i % 3] = (sums[i % 3] ?? 0) + value));
    const means = sums.map((sum) => sum / 255 / size ** 2);
    return pixels.map((value, i) => {
      const mean = means[i % 3] ?? 0;
      return toByte((value / 255 - mean) * factor + mean);
    });
  },
});
