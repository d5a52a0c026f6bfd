/** Motion blur as ImageMagick defines it, which the published generator calls. */
import { defineCorruption } from './corruption.ts';

interface MotionConstant {
  /** Half the length of the trail, in pixels. */
  readonly radius: number;
  readonly sigma: number;
}

const trail = (radius: number, sigma: number): MotionConstant => ({ radius, sigma });

/**
 * Every pixel becomes Σi k(i) x(p + i·v) with half a Gaussian k(i) ∝ exp(−i²/2σ²), i = 0 … 2 radius, and v of an angle
 * drawn from ±45° of the horizontal. Pixels outside are those of the edge.
 */
export const motionBlur = defineCorruption<MotionConstant>({
  id: 'motion_blur',
  title: 'Motion blur',
  summary: 'The camera moves while the picture is taken, in a direction drawn for every image.',
  constants: {
    cifar: [trail(6, 1), trail(6, 1.5), trail(6, 2), trail(8, 2), trail(9, 2.5)],
    imagenet: [trail(10, 3), trail(15, 5), trail(15, 8), trail(15, 12), trail(20, 15)],
  },
  apply: ({ size, pixels }, { radius, sigma }, { scale, noise }) => {
    const [uniform = 0] = noise.uniforms(1);
    const angle = ((-45 + 90 * uniform) * Math.PI) / 180;
    const width = 2 * Math.round(radius * scale) + 1;
    const kernel = halfGaussian(width, sigma * scale);
    const [right, down] = [Math.cos(angle), Math.sin(angle)].map((step) =>
      kernel.map((_, i) => Math.ceil(i * step - 0.5)),
    ) as [number[], number[]];
    const clamp = (at: number) => Math.min(size - 1, Math.max(0, at));
    const blurred = new Uint8Array(pixels.length);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const to = 3 * (y * size + x);
        for (let channel = 0; channel < 3; channel++) {
          let sum = 0;
          for (let i = 0; i < width; i++) {
            const from = clamp(y + (down[i] ?? 0)) * size + clamp(x + (right[i] ?? 0));
            sum += (kernel[i] ?? 0) * (pixels[3 * from + channel] ?? 0);
          }
          blurred[to + channel] = Math.round(sum);
        }
      }
    }
    return blurred;
  },
});

function halfGaussian(width: number, sigma: number): number[] {
  const weights = Array.from({ length: width }, (_, i) => Math.exp(-(i ** 2) / (2 * sigma ** 2)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}
