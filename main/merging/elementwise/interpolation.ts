/** Interpolation on spheres, as factors of the vectors given their inner products. */

/** From this cosine on mergekit takes two tensors for parallel. */
export const PARALLEL_COSINE = 0.9995;

const LEAST_SINE = 1e-6;

/** Below this length a vector has no direction. */
const LEAST_LENGTH = 1e-8;

/**
 * The factors of a and b of their spherical interpolation (Shoemake 1985): along the great circle for
 * the directions, with the vectors' own lengths. Straight where the angle is too small or undefined;
 * `parallel` says whether, given the cosine.
 */
export function slerpFactors(
  aa: number,
  bb: number,
  ab: number,
  t: number,
  parallel: (cosine: number) => boolean,
): readonly [number, number] {
  const length = Math.sqrt(aa) * Math.sqrt(bb);
  if (Math.sqrt(aa) < LEAST_LENGTH || Math.sqrt(bb) < LEAST_LENGTH) return [1 - t, t];
  const cosine = Math.max(-1, Math.min(1, ab / length));
  if (parallel(cosine)) return [1 - t, t];
  const angle = Math.acos(cosine);
  return [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
}

/**
 * So near to parallel or opposite that the sine is no divisor: a sum of fp64 products leaves the cosine
 * uncertain by about 1e-13.
 */
export function hasNoSine(cosine: number): boolean {
  return 1 - cosine ** 2 <= LEAST_SINE ** 2;
}

/** The lengths of n vectors from their products, row-major [n, n]. */
export function lengthsOf(products: Float64Array): number[] {
  const size = Math.round(Math.sqrt(products.length));
  return Array.from({ length: size }, (_, i) => Math.sqrt(products[i * size + i]!));
}

/** ⟨Σ xi vi, Σ yi vi⟩ */
export function productOf(
  products: Float64Array,
  x: readonly number[],
  y: readonly number[],
): number {
  let sum = 0;
  x.forEach((left, i) => {
    y.forEach((right, j) => {
      sum += left * right * products[i * x.length + j]!;
    });
  });
  return sum;
}
