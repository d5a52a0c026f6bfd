import type { Tensor } from '../../main/lib/tensor.ts';

/**
 * Class prototypes [classes, d] of features [n, d]: the mean of each class's normalised features, minus
 * the mean over classes, normalised.
 */
export function prototypes(
  features: Tensor,
  labels: ArrayLike<number>,
  classCount: number,
): Tensor {
  const width = features.shape[1] ?? 0;
  const sums = Array.from({ length: classCount }, () => new Float64Array(width));
  const counts = new Float64Array(classCount);
  for (let i = 0; i < labels.length; i++) {
    const row = features.data.subarray(i * width, (i + 1) * width);
    const norm = Math.hypot(...row);
    const sum = sums[labels[i] ?? 0] ?? new Float64Array(width);
    row.forEach((x, j) => (sum[j] = (sum[j] ?? 0) + x / norm));
    counts[labels[i] ?? 0] = (counts[labels[i] ?? 0] ?? 0) + 1;
  }
  const means = sums.map((sum, c) => sum.map((x) => x / Math.max(1, counts[c] ?? 1)));
  const centre = new Float64Array(width);
  for (const mean of means) mean.forEach((x, j) => (centre[j] = (centre[j] ?? 0) + x / classCount));
  const data = new Float32Array(classCount * width);
  means.forEach((mean, c) => {
    const row = mean.map((x, j) => x - (centre[j] ?? 0));
    const norm = Math.hypot(...row);
    row.forEach((x, j) => (data[c * width + j] = x / norm));
  });
  return { shape: [classCount, width], data };
}
