/**
 * Pillow's image resampling, to the bit: a separable filter that is widened when an image shrinks
 * (antialiasing), within rows first, 8-bit pixels between the passes, weights in fixed point. Pillow 13 takes
 * tall images in the other order, which can differ by 1 of 255; published results are older.
 */
import type { DecodedImage } from './decode-image.ts';

export type ResamplingFilter = 'box' | 'bilinear' | 'bicubic';

interface Kernel {
  /** Where the kernel becomes 0, in pixels of the output or (when enlarging) of the input. */
  readonly support: number;
  weigh(distance: number): number;
}

const kernels: Record<ResamplingFilter, Kernel> = {
  box: { support: 0.5, weigh: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  // Keys 1981, a = -1/2.
  bicubic: {
    support: 2,
    weigh: (distance) => {
      const x = Math.abs(distance);
      const a = -0.5;
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
      return 0;
    },
  },
};

/** Weights have this many binary places: with two bits for overshoot, 8-bit sums fit into 32 bits. */
const places = 32 - 8 - 2;
const half = 1 << (places - 1);

/** For each output pixel from `first` on: its first input pixel, the number of them, their weights. */
interface Taps {
  readonly start: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  /** Weights kept for each pixel. */
  readonly width: number;
}

function taps(input: number, output: number, first: number, many: number, kernel: Kernel): Taps {
  const scale = input / output;
  const stretch = Math.max(1, scale);
  const support = kernel.support * stretch;
  const width = Math.ceil(support) * 2 + 1;
  const start = new Int32Array(many);
  const count = new Int32Array(many);
  const weights = new Int32Array(many * width);
  const exact = new Float64Array(width);
  for (let i = 0; i < many; i++) {
    const centre = (first + i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - support + 0.5));
    const to = Math.min(input, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let k = 0; k < to - from; k++) {
      exact[k] = kernel.weigh((k + from - centre + 0.5) * (1 / stretch));
      sum += exact[k]!;
    }
    for (let k = 0; k < to - from; k++) {
      const weight = exact[k]! * (sum === 0 ? 1 : 1 / sum) * (1 << places);
      weights[i * width + k] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    start[i] = from;
    count[i] = to - from;
  }
  return { start, count, weights, width };
}

export interface Resizing {
  /** Size of the whole resized image. */
  readonly width: number;
  readonly height: number;
  /** The square of it that is wanted. */
  readonly left: number;
  readonly top: number;
  readonly size: number;
  readonly filter: ResamplingFilter;
}

/** RGB pixels of a square of the resized image; nothing outside of it is computed. */
export function resizedSquare(image: DecodedImage, resizing: Resizing): Uint8Array {
  const { width, height, left, top, size, filter } = resizing;
  const kernel = kernels[filter];
  const down = taps(image.height, height, top, size, kernel);
  const firstRow = down.start[0] ?? 0;
  const lastRow = (down.start[size - 1] ?? 0) + (down.count[size - 1] ?? 0);
  const across = taps(image.width, width, left, size, kernel);
  const rows = new Uint8ClampedArray((lastRow - firstRow) * size * 3);
  filterRows(image, firstRow, across, rows, size);
  const square = new Uint8ClampedArray(size * size * 3);
  filterColumns(rows, firstRow, down, square, size);
  return new Uint8Array(square.buffer);
}

function filterRows(
  { width, pixels }: DecodedImage,
  firstRow: number,
  { start, count, weights, width: kept }: Taps,
  target: Uint8ClampedArray,
  size: number,
): void {
  let to = 0;
  for (let row = firstRow; to < target.length; row++) {
    for (let x = 0; x < size; x++, to += 3) {
      let from = (row * width + start[x]!) * 3;
      let [red, green, blue] = [half, half, half];
      const end = x * kept + count[x]!;
      for (let k = x * kept; k < end; k++, from += 3) {
        const weight = weights[k]!;
        red = (red + Math.imul(pixels[from]!, weight)) | 0;
        green = (green + Math.imul(pixels[from + 1]!, weight)) | 0;
        blue = (blue + Math.imul(pixels[from + 2]!, weight)) | 0;
      }
      target[to] = red >> places;
      target[to + 1] = green >> places;
      target[to + 2] = blue >> places;
    }
  }
}

function filterColumns(
  rows: Uint8ClampedArray,
  firstRow: number,
  { start, count, weights, width: kept }: Taps,
  target: Uint8ClampedArray,
  size: number,
): void {
  const stride = size * 3;
  const sums = new Int32Array(stride);
  for (let y = 0; y < size; y++) {
    sums.fill(half);
    for (let k = 0; k < count[y]!; k++) {
      const weight = weights[y * kept + k]!;
      const from = (start[y]! - firstRow + k) * stride;
      for (let i = 0; i < stride; i++)
        sums[i] = (sums[i]! + Math.imul(rows[from + i]!, weight)) | 0;
    }
    for (let i = 0; i < stride; i++) target[y * stride + i] = sums[i]! >> places;
  }
}
