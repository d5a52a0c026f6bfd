/**
 * The inner loops of the element-wise methods: over blocks, in fp64, each small enough for a compiler
 * to keep in registers. A loop without branches costs about 1 ns for each value.
 */

/** target[i] = left[begin + i] − right[begin + i] */
export function subtract(
  target: Float64Array,
  left: Float32Array,
  right: Float32Array,
  begin: number,
  end: number,
): void {
  const count = end - begin;
  for (let i = 0; i < count; i++) target[i] = left[begin + i]! - right[begin + i]!;
}

/** sum[i] += weight × values[begin + i] */
export function addScaled(
  sum: Float64Array,
  values: Float32Array,
  weight: number,
  begin: number,
  end: number,
): void {
  const count = end - begin;
  for (let i = 0; i < count; i++) sum[i]! += weight * values[begin + i]!;
}

/** sum[i] += weight × values[i]; a function of its own, for one that meets both types is slower. */
export function addWeighted(
  sum: Float64Array,
  values: Float64Array,
  weight: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) sum[i]! += weight * values[i]!;
}

/** sum[i] += weight × (left[begin + i] − right[begin + i]) */
export function addScaledDifference(
  sum: Float64Array,
  left: Float32Array,
  right: Float32Array,
  weight: number,
  begin: number,
  end: number,
): void {
  const count = end - begin;
  for (let i = 0; i < count; i++) sum[i]! += weight * (left[begin + i]! - right[begin + i]!);
}

/** target[begin + i] = (factor × values[i]) / divisor, rounded to fp32. */
export function writeScaled(
  target: Float32Array,
  values: Float64Array,
  factor: number,
  divisor: number,
  begin: number,
  end: number,
): void {
  const count = end - begin;
  for (let i = 0; i < count; i++) target[begin + i] = (factor * values[i]!) / divisor;
}

/** target[begin + i] = base[begin + i] + (factor × change[i]) / divisor, rounded to fp32 once. */
export function writeChanged(
  target: Float32Array,
  base: Float32Array,
  change: Float64Array,
  factor: number,
  divisor: number,
  begin: number,
  end: number,
): void {
  const count = end - begin;
  if (divisor === 1) {
    for (let i = 0; i < count; i++) target[begin + i] = base[begin + i]! + factor * change[i]!;
  } else {
    for (let i = 0; i < count; i++) {
      target[begin + i] = base[begin + i]! + (factor * change[i]!) / divisor;
    }
  }
}
