/** Random views of training images. */
import type { Normalisation, PixelStore } from '../../main/data/images.ts';
import type { RandomStream } from '../../main/lib/random.ts';

export interface Augmentation {
  /** Largest shift in pixels; outside the image, its edge is repeated. */
  readonly shift: number;
  /** Largest rotation in degrees, and largest relative change of the height and of the width. */
  readonly rotation: number;
  readonly stretch: number;
  /** Contrast is scaled by 1 ± this. */
  readonly contrast: number;
  /** Probabilities of inverting all colours, and of permuting the channels. */
  readonly invert: number;
  readonly permuteChannels: number;
  /** Probability of mirroring in x, and of it in y and along the diagonal as well. */
  readonly flip: number;
  readonly symmetries: number;
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
  const gain = 1 + (2 * random() - 1) * augmentation.contrast;
  const invert = random() < augmentation.invert;
  const order =
    random() < augmentation.permuteChannels
      ? (channelOrders[Math.floor(random() * 6)] ?? channelOrders[0])
      : channelOrders[0];
  const [a, b, left, c, d, top] = viewTransform(size, augmentation, random);
  // value/255 → inverted or not, contrast about mid-grey, normalised: one line per channel.
  const sign = invert ? -1 : 1;
  const slopes = normalisation.deviation.map((deviation) => (sign * gain) / (255 * deviation));
  const intercepts = normalisation.deviation.map(
    (deviation, channel) =>
      (0.5 - (sign * gain) / 2 - (normalisation.mean[channel] ?? 0)) / deviation,
  );
  const plane = size * size;
  const last = size - 1;
  const image = index * plane * 3;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const fromX = Math.min(Math.max(a * x + b * y + left, 0), last);
      const fromY = Math.min(Math.max(c * x + d * y + top, 0), last);
      const x0 = Math.floor(fromX);
      const y0 = Math.floor(fromY);
      const right = fromX - x0;
      const below = fromY - y0;
      const upperLeft = image + (y0 * size + x0) * 3;
      const stepX = x0 < last ? 3 : 0;
      const stepY = y0 < last ? size * 3 : 0;
      const pixel = offset + y * size + x;
      for (let channel = 0; channel < 3; channel++) {
        const at = upperLeft + (order[channel] as number);
        const upper = (pixels[at] as number) * (1 - right) + (pixels[at + stepX] as number) * right;
        const lower =
          (pixels[at + stepY] as number) * (1 - right) +
          (pixels[at + stepX + stepY] as number) * right;
        const value = upper * (1 - below) + lower * below;
        target[pixel + channel * plane] =
          value * (slopes[channel] as number) + (intercepts[channel] as number);
      }
    }
  }
  if (random() < augmentation.erase) eraseSquare(size, random, target, offset);
}

/** Rows of the affine map from a pixel of the view to a point of the image, about its centre. */
function viewTransform(
  size: number,
  { shift, rotation, stretch, flip, symmetries }: Augmentation,
  random: RandomStream,
): [number, number, number, number, number, number] {
  const within = (limit: number) => (2 * random() - 1) * limit;
  const angle = (within(rotation) * Math.PI) / 180;
  const mirrorX = random() < flip ? -1 : 1;
  const turned = random() < symmetries;
  const mirrorY = turned && random() < 0.5 ? -1 : 1;
  const diagonal = turned && random() < 0.5;
  const scaleX = mirrorX * (1 + within(stretch));
  const scaleY = mirrorY * (1 + within(stretch));
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const rows: [number, number, number, number] = [
    scaleX * cos,
    -scaleX * sin,
    scaleY * sin,
    scaleY * cos,
  ];
  const [a, b, c, d] = diagonal ? [rows[2], rows[3], rows[0], rows[1]] : rows;
  const centre = (size - 1) / 2;
  // Whole pixels: a shift alone leaves an image as sharp as it was.
  const moveX = Math.round(within(shift));
  const moveY = Math.round(within(shift));
  return [a, b, centre - (a + b) * centre + moveX, c, d, centre - (c + d) * centre + moveY];
}

function eraseSquare(size: number, random: RandomStream, target: Float32Array, offset: number) {
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
