/**
 * Pruning by magnitude (E-WEMoE, Shen et al. 2024): of each expert's task vector, tensor by tensor, only the
 * largest values are kept; the others become zero and need no place in a file.
 */
import type { Tensor } from '../lib/tensor.ts';

/** Of `size` values, those that are kept when no two are equally large. */
export function keptCount(size: number, share: number): number {
  return share >= 1 ? size : size - 1 - cutIndex(size, share);
}

/** The values above the (1 − share)-quantile are kept: those above the value of this rank, from 0. */
function cutIndex(size: number, share: number): number {
  return Math.floor((1 - share) * (size - 1));
}

/** D [K, P] with the values of each row that are not above its (1 − share)-quantile set to 0; changed in place. */
export function keepLargest(dictionary: Tensor, share: number): Tensor {
  if (share >= 1) return dictionary;
  const [experts = 0, size = 0] = dictionary.shape;
  for (let k = 0; k < experts; k++) {
    const row = dictionary.data.subarray(k * size, (k + 1) * size);
    const cut = magnitudeOfRank(row, cutIndex(size, share));
    for (let i = 0; i < size; i++) if (!(Math.abs(row[i]!) > cut)) row[i] = 0;
  }
  return dictionary;
}

/**
 * The magnitude that `rank` others do not exceed, found without sorting: the bits of magnitudes stand in the
 * order of the magnitudes, so the upper half of them is counted first and then the lower half.
 */
function magnitudeOfRank(values: Float32Array, rank: number): number {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const upper = new Uint32Array(1 << 15);
  for (const word of bits) upper[(word & 0x7fffffff) >>> 16]!++;
  const high = binOfRank(upper, rank);
  const lower = new Uint32Array(1 << 16);
  for (const word of bits) {
    if ((word & 0x7fffffff) >>> 16 === high.bin) lower[word & 0xffff]!++;
  }
  const low = binOfRank(lower, high.rest);
  return new Float32Array(Uint32Array.of((high.bin << 16) | low.bin).buffer)[0]!;
}

/** The bin that holds the value of `rank`, and its rank within. */
function binOfRank(counts: Uint32Array, rank: number): { bin: number; rest: number } {
  let rest = rank;
  let bin = 0;
  while (rest >= counts[bin]!) rest -= counts[bin++]!;
  return { bin, rest };
}
