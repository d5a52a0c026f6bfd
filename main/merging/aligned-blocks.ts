/** Merging of matrices that are written in a common basis, entry by entry. */
import { zeroMatrix, type Matrix } from '../engine/linear/matrix.ts';

/**
 * The weighted sum; with a density by TIES: of each matrix the entries at least as large as its
 * ⌈density · n⌉-th count, the weighted sum elects a sign (+ where it is zero), and those of that sign are averaged.
 */
export function mergeAligned(
  matrices: readonly Matrix[],
  weights: readonly number[],
  density: number | undefined,
): Matrix {
  const [first] = matrices;
  if (first === undefined) throw new Error('no matrices to merge');
  const merged = zeroMatrix(first.rows, first.columns);
  const thresholds = matrices.map(({ data }) => threshold(data, density ?? 1));
  for (let i = 0; i < merged.data.length; i++) {
    let rise = 0;
    let rises = 0;
    let fall = 0;
    let falls = 0;
    for (let k = 0; k < matrices.length; k++) {
      const value = matrices[k]!.data[i]!;
      if (Math.abs(value) < thresholds[k]!) continue;
      const weighted = value * weights[k]!;
      if (weighted > 0) {
        rise += weighted;
        rises++;
      } else if (weighted < 0) {
        fall += weighted;
        falls++;
      }
    }
    if (density === undefined) merged.data[i] = rise + fall;
    else merged.data[i] = rise + fall >= 0 ? rise / Math.max(rises, 1) : fall / Math.max(falls, 1);
  }
  return merged;
}

/** The least magnitude that is kept. */
function threshold(values: Float64Array, density: number): number {
  const count = Math.ceil(values.length * density);
  if (count >= values.length) return 0;
  return values.map(Math.abs).sort()[values.length - count] ?? 0;
}
