/**
 * Random numbers by index: the number at an index depends on key and index alone, so that tiles and
 * threads cannot change it. The mixing is triple32 of Chris Wellons' hash prospector (32-bit xorshifts
 * and multiplications, bias 0.021), with 32 bits of the key put in before each of its three rounds.
 */
import { createHash } from 'node:crypto';

/** Three words of 32 bits. */
export type CounterKey = readonly [number, number, number];

const TWO_32 = 2 ** 32;

/** A key of its own for each list of values, e.g. `(seed, tensor name, expert)`. */
export function counterKey(...of: readonly (string | number)[]): CounterKey {
  const digest = createHash('sha256').update(JSON.stringify(of)).digest();
  return [digest.readInt32LE(0), digest.readInt32LE(4), digest.readInt32LE(8)];
}

/** Writes the 32 random bits of the indices `begin`, `begin + 1`, … to the first `count` words. */
export function fillRandomBits(
  words: Uint32Array,
  key: CounterKey,
  begin: number,
  count: number,
): void {
  // Beyond 2^32 indices the upper half of the index changes the key.
  for (let at = 0; at < count;) {
    const high = Math.floor((begin + at) / TWO_32);
    const low = begin + at - high * TWO_32;
    const end = Math.min(count, at + TWO_32 - low);
    const [first, second, third] = high === 0 ? key : counterKey(...key, high);
    mixRange(words, at, end, low - at, first, second, third);
    at = end;
  }
}

function mixRange(
  words: Uint32Array,
  from: number,
  to: number,
  offset: number,
  first: number,
  second: number,
  third: number,
): void {
  for (let i = from; i < to; i++) {
    let x = (offset + i) ^ first;
    x = (Math.imul(x ^ (x >>> 17), 0xed5ad4bb) + second) | 0;
    x = (Math.imul(x ^ (x >>> 11), 0xac4c1b51) + third) | 0;
    x = Math.imul(x ^ (x >>> 15), 0x31848bab);
    words[i] = x ^ (x >>> 14);
  }
}
