/** Random views of training images. */
import type { Normalisation, PixelStore } from '../../main/data/images.ts';
import type { RandomStream } from '../../main/lib/random.ts';

export interface Augmentation {
  /** Largest shift in pixels, edges repeated. */
  readonly shift: number;
  /** Contrast is scaled by 1 ± this. */
  readonly contrast: number;
  /** Probabilities of inverting all colours, and of permuting the channels. */
  readonly invert: number;
  readonly permuteChannels: number;
  /** Probability of blanking one square of up to a third of the width. */
  readonly erase: number;
}

const channelOrders = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;

/** Writes one augmented, normalised view of image `index`, channels first, at `target[offset…]`. */
export function writeView(
  store: PixelStore,
  index: number,
  { augmentation, normalisation }: { augmentation: Augmentation; normalisation: Normalisation },
  random: RandomStream,
  target: Float32Array,
  offset: number,
): void {
  const { size, pixels } = store;
  const { shift, contrast, erase } = augmentation;
  const dx = Math.round((2 * random() - 1) * shift);
  const dy = Math.round((2 * random() - 1) * shift);
  const gain = 1 + (2 * random() - 1) * contrast;
  const invert = random() < augmentation.invert;
  const order =
    random() < augmentation.permuteChannels
      ? (channelOrders[Math.floor(random() * 6)] ?? channelOrders[0])
      : channelOrders[0];
  const clamp = (x: number) => Math.min(Math.max(x, 0), size - 1);
  for (let channel = 0; channel < 3; channel++) {
    const mean = normalisation.mean[channel] ?? 0;
    const deviation = normalisation.deviation[channel] ?? 1;
    const source = order[channel] ?? channel;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const at = ((index * size + clamp(y + dy)) * size + clamp(x + dx)) * 3 + source;
        const value = (pixels[at] ?? 0) / 255;
        const seen = (invert ? 1 - value : value) - 0.5;
        target[offset + (channel * size + y) * size + x] = (seen * gain + 0.5 - mean) / deviation;
      }
    }
  }
  if (random() >= erase) return;
  const side = Math.floor((0.15 + 0.2 * random()) * size);
  const left = Math.floor(random() * (size - side));
  const top = Math.floor(random() * (size - side));
  for (let channel = 0; channel < 3; channel++) {
    for (let y = top; y < top + side; y++) {
      const start = offset + (channel * size + y) * size + left;
      target.fill(0, start, start + side);
    }
  }
}
