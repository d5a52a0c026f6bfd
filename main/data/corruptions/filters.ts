/** Filters of square planes, with the roundings of the libraries that the published generators call. */

/** How a plane goes on outside: the edge repeated, or mirrored at the pixel of the edge. */
type Border = (at: number, size: number) => number;
const nearest: Border = (at, size) => Math.min(size - 1, Math.max(0, at));
const mirror: Border = (at, size) => {
  if (size === 1) return 0;
  const folded = Math.abs(at) % (2 * size - 2);
  return folded < size ? folded : 2 * size - 2 - folded;
};

/** A Gaussian blur cut off at four deviations, edges repeated (scikit-image's `gaussian`). */
export function gaussianFilter(
  plane: ArrayLike<number>,
  size: number,
  sigma: number,
  round: (value: number) => number = (value) => value,
): Float64Array {
  const radius = Math.trunc(4 * sigma + 0.5);
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp((-0.5 * (i - radius) ** 2) / sigma ** 2),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const along = (from: ArrayLike<number>, stride: number, other: number): Float64Array => {
    const blurred = new Float64Array(size * size);
    for (let line = 0; line < size; line++) {
      for (let at = 0; at < size; at++) {
        let sum = 0;
        weights.forEach((weight, i) => {
          const source = line * other + nearest(at + i - radius, size) * stride;
          sum += (weight / total) * (from[source] ?? 0);
        });
        blurred[line * other + at * stride] = round(sum);
      }
    }
    return blurred;
  };
  return along(along(plane, size, 1), 1, size);
}

/** Σ kernel(dy, dx) plane(y + dy, x + dx) over 3 × 3 pixels, mirrored at the edges (OpenCV's default). */
export function filter3x3(
  plane: ArrayLike<number>,
  size: number,
  kernel: readonly number[],
): Float64Array {
  const filtered = new Float64Array(size * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      let sum = 0;
      kernel.forEach((weight, i) => {
        const row = mirror(y + Math.trunc(i / 3) - 1, size);
        const column = mirror(x + (i % 3) - 1, size);
        sum += weight * (plane[row * size + column] ?? 0);
      });
      filtered[y * size + x] = sum;
    }
  }
  return filtered;
}

/** The mean of 3 × 3 pixels. */
export function boxFilter(plane: ArrayLike<number>, size: number): Float64Array {
  return filter3x3(plane, size, new Array<number>(9).fill(1)).map((sum) => sum * (1 / 9));
}

/** Spreads the values of bytes so that their distribution becomes even (OpenCV's `equalizeHist`). */
export function equalise(bytes: Uint8Array): Uint8Array {
  const counts = new Array<number>(256).fill(0);
  for (const value of bytes) counts[value] = (counts[value] ?? 0) + 1;
  const first = counts.findIndex((count) => count > 0);
  const lowest = counts[first] ?? 0;
  if (lowest === bytes.length) return bytes;
  const scale = Math.fround(255 / (bytes.length - lowest));
  let sum = 0;
  const table = counts.map((count, value) => {
    if (value > first) sum += count;
    return roundHalfEven(Math.fround(sum * scale));
  });
  return bytes.map((value) => table[value] ?? 0);
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const part = value - below;
  if (part === 0.5) return below % 2 === 0 ? below : below + 1;
  return Math.round(value);
}

/**
 * Distance of every pixel to the nearest one of `marked`, by steps of 1, 1.4 and 2.1969 in a 5 × 5 neighbourhood
 * (Borgefors 1986) in fixed point, as OpenCV's `distanceTransform` does. Infinity where nothing is marked.
 */
export function chamferDistance(marked: readonly boolean[], size: number): Float64Array {
  const one = 2 ** 16;
  const steps = [
    [0, 1, one],
    [1, -1, Math.round(1.4 * one)],
    [1, 0, one],
    [1, 1, Math.round(1.4 * one)],
    [1, -2, Math.round(2.1969 * one)],
    [1, 2, Math.round(2.1969 * one)],
    [2, -1, Math.round(2.1969 * one)],
    [2, 1, Math.round(2.1969 * one)],
  ] as const;
  const distance = Float64Array.from(marked, (mark) => (mark ? 0 : Infinity));
  const relax = (y: number, x: number, direction: 1 | -1) => {
    const at = y * size + x;
    for (const [dy, dx, length] of steps) {
      const [row, column] = [y - direction * dy, x - direction * dx];
      if (row < 0 || row >= size || column < 0 || column >= size) continue;
      distance[at] = Math.min(
        distance[at] ?? Infinity,
        (distance[row * size + column] ?? Infinity) + length,
      );
    }
  };
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) relax(y, x, 1);
  for (let y = size - 1; y >= 0; y--) for (let x = size - 1; x >= 0; x--) relax(y, x, -1);
  return distance.map((length) => length / one);
}
