/**
 * CLIP's zero-shot classifier (Radford et al. 2021, 3.1.4): every prompt of a class is encoded and
 * normalised, their mean is normalised again and stands for the class.
 */
import type { Tensor } from '../lib/tensor.ts';

/** Rows [C, e] of length 1 from features [C·T, e] of T prompts a class. */
export function zeroShotWeights({ shape, data }: Tensor, classes: number): Tensor {
  const [prompts = 0, width = 0] = shape;
  const each = prompts / classes;
  const rows = new Float32Array(classes * width);
  for (let row = 0; row < classes; row++) {
    const sum = new Float64Array(width);
    for (let prompt = row * each; prompt < (row + 1) * each; prompt++) {
      addUnit(sum, data.subarray(prompt * width, (prompt + 1) * width));
    }
    const mean = new Float64Array(width);
    addUnit(mean, sum);
    rows.set(mean, row * width);
  }
  return { shape: [classes, width], data: rows };
}

/** Adds v/‖v‖; a vector of zeros adds nothing. */
function addUnit(sum: Float64Array, vector: ArrayLike<number>): void {
  let squares = 0;
  for (let j = 0; j < sum.length; j++) squares += (vector[j] ?? 0) ** 2;
  const norm = Math.sqrt(squares) || 1;
  for (let j = 0; j < sum.length; j++) sum[j] = (sum[j] ?? 0) + (vector[j] ?? 0) / norm;
}
