/**
 * Counting numbers by their bit patterns, upper bits first, to find the one of a wanted rank. A key is
 * an int32 that is ordered as the numbers are: the pattern of a magnitude, or, for numbers of both signs,
 * the pattern with the lower bits of negative ones flipped.
 */
import { LOW_BITS, type KeyKernel } from './kernels/key-kernel.ts';

const LOW_COUNT = 2 ** LOW_BITS;
const MAGNITUDE = 0x7fffffff;
const HIGH_COUNT = 2 ** (31 - LOW_BITS);

/** Fp64, for a count above 2^32 must not wrap. */
export type Counts = Float64Array;

export const emptyHigh = (): Counts => new Float64Array(HIGH_COUNT);
export const HIGH_BYTES = HIGH_COUNT * Float64Array.BYTES_PER_ELEMENT;
export const LOW_BYTES = LOW_COUNT * Float64Array.BYTES_PER_ELEMENT;
export const emptyLow = (): Counts => new Float64Array(LOW_COUNT);

/** Where the number of a rank was found, with its rank from above within the bin, and the bin's count. */
export interface Found {
  readonly bin: number;
  readonly rest: number;
  readonly count: number;
}

// The loops over all values are functions of their own, which a compiler can keep in registers.

/** Turns patterns into the keys of their magnitudes. */
export function magnitudeKeys(bits: Int32Array, count: number): void {
  for (let i = 0; i < count; i++) bits[i]! &= MAGNITUDE;
}

/** Turns patterns into keys that order negative numbers below positive ones. */
export function signedKeys(bits: Int32Array, count: number): void {
  for (let i = 0; i < count; i++) bits[i]! ^= (bits[i]! >> 31) & MAGNITUDE;
}

/** The number of a key of a magnitude, or of a signed key. */
export function numberOfKey(key: number): number {
  const bits = Int32Array.of(key ^ ((key >> 31) & MAGNITUDE));
  return new Float32Array(bits.buffer)[0]!;
}

/** Counts the lower bits of the keys of a block that have the upper bits of `like`. */
export function countLow(block: KeyKernel, like: number, counts: Counts): void {
  const { keys } = block;
  for (const index of block.find(like, like | (LOW_COUNT - 1)))
    counts[keys[index]! & (LOW_COUNT - 1)]! += 1;
}

export function addCounts(into: Counts, later: Counts): void {
  for (let bin = 0; bin < into.length; bin++) into[bin]! += later[bin]!;
}

/** The bin of the item of a rank, counted from the greatest, which has rank 1. */
export function findFromAbove(counts: Counts, rank: number): Found {
  let rest = rank;
  for (let bin = counts.length - 1; bin >= 0; bin--) {
    const count = counts[bin]!;
    if (rest <= count) return { bin, rest, count };
    rest -= count;
  }
  throw new RangeError(`rank ${rank} is past the last of the values`);
}

/** The least key of a bin of upper bits. */
export function leastKey(bin: number): number {
  return bin << LOW_BITS;
}
