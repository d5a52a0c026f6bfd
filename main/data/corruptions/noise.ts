/** The random numbers of one image's corruption. */
import { counterKey, fillRandomBits } from '../../lib/counter-random.ts';

/** Draws one after another; the same calls give the same numbers again. */
export interface ImageNoise {
  /** In [0, 1). */
  uniforms(count: number): Float64Array;
  /** Of N(0, 1). */
  normals(count: number): Float64Array;
}

/** Noise that depends on its key alone, such as (seed, kind, task, image index). */
export function imageNoise(...of: readonly (string | number)[]): ImageNoise {
  const key = counterKey('corruption', ...of);
  let drawn = 0;
  const uniforms = (count: number): Float64Array => {
    const words = new Uint32Array(count);
    fillRandomBits(words, key, drawn, count);
    drawn += count;
    return Float64Array.from(words, (word) => word / 2 ** 32);
  };
  return {
    uniforms,
    // Box-Muller.
    normals: (count) => {
      const pairs = uniforms(2 * count);
      return Float64Array.from({ length: count }, (_, i) => {
        const radius = Math.sqrt(-2 * Math.log(1 - (pairs[2 * i] ?? 0)));
        return radius * Math.cos(2 * Math.PI * (pairs[2 * i + 1] ?? 0));
      });
    },
  };
}
