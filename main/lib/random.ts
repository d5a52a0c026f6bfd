import { createHash } from 'node:crypto';

/** Uniform numbers in [0, 1) with 32 random bits each. */
export type RandomStream = () => number;

/**
 * A stream that depends on its key alone, e.g. `(seed, 'router', layer)`: no shared state, so the
 * order in which streams are used cannot change a number. Generator: sfc32 (Doty-Humphrey), state
 * from SHA-256 of the key.
 */
export function randomStream(...key: readonly (string | number)[]): RandomStream {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest();
  let [a, b, c, counter] = [0, 4, 8, 12].map((offset) => digest.readInt32LE(offset)) as [
    number,
    number,
    number,
    number,
  ];
  return () => {
    const next = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + next) | 0;
    return (next >>> 0) / 2 ** 32;
  };
}

/** Independent draws from N(0, deviation²), Box-Muller. */
export function normals(random: RandomStream, count: number, deviation: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** A random order of 0 … count−1 (Fisher-Yates). */
export function permutation(random: RandomStream, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const kept = order[last] ?? 0;
    order[last] = order[other] ?? 0;
    order[other] = kept;
  }
  return order;
}
