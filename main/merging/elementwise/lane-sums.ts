/**
 * Sums over a tensor in eight lanes: lane l adds up, in their order, the values whose index in the tensor
 * leaves the remainder l, and at the end the lanes are added up from the first to the last. A processor
 * that adds in one lane alone waits for every sum before the next. Where a tensor is cut does not change
 * a sum.
 */
export const LANES = 8;

/** Lanes of `count` sums, one sum after another. */
export function emptySums(count: number): Float64Array {
  return new Float64Array(count * LANES);
}

/** The sum of a number. */
export function sumOf(lanes: Float64Array, sum: number): number {
  let total = 0;
  for (let lane = 0; lane < LANES; lane++) total += lanes[sum * LANES + lane]!;
  return total;
}

/** All of them. */
export function sumsOf(lanes: Float64Array): Float64Array {
  return Float64Array.from({ length: lanes.length / LANES }, (_, sum) => sumOf(lanes, sum));
}

/** Adds Σ left[i] × right[i] to a sum; `index` is that of the first value in its tensor. */
export function addProduct(
  lanes: Float64Array,
  sum: number,
  left: Float64Array,
  right: Float64Array,
  index: number,
  count: number,
): void {
  const at = sum * LANES;
  const first = Math.min(aligned(index), count);
  let i = 0;
  for (; i < first; i++) lanes[at + ((index + i) % LANES)]! += left[i]! * right[i]!;
  let [l0, l1, l2, l3] = [lanes[at]!, lanes[at + 1]!, lanes[at + 2]!, lanes[at + 3]!];
  let [l4, l5, l6, l7] = [lanes[at + 4]!, lanes[at + 5]!, lanes[at + 6]!, lanes[at + 7]!];
  for (const last = count - LANES; i <= last; i += LANES) {
    l0 += left[i]! * right[i]!;
    l1 += left[i + 1]! * right[i + 1]!;
    l2 += left[i + 2]! * right[i + 2]!;
    l3 += left[i + 3]! * right[i + 3]!;
    l4 += left[i + 4]! * right[i + 4]!;
    l5 += left[i + 5]! * right[i + 5]!;
    l6 += left[i + 6]! * right[i + 6]!;
    l7 += left[i + 7]! * right[i + 7]!;
  }
  setLanes(lanes, at, l0, l1, l2, l3, l4, l5, l6, l7);
  for (; i < count; i++) lanes[at + ((index + i) % LANES)]! += left[i]! * right[i]!;
}

/** Adds Σ |values[i]| to a sum. */
export function addMagnitudes(
  lanes: Float64Array,
  sum: number,
  values: Float64Array,
  index: number,
  count: number,
): void {
  const at = sum * LANES;
  const first = Math.min(aligned(index), count);
  let i = 0;
  for (; i < first; i++) lanes[at + ((index + i) % LANES)]! += Math.abs(values[i]!);
  let [l0, l1, l2, l3] = [lanes[at]!, lanes[at + 1]!, lanes[at + 2]!, lanes[at + 3]!];
  let [l4, l5, l6, l7] = [lanes[at + 4]!, lanes[at + 5]!, lanes[at + 6]!, lanes[at + 7]!];
  for (const last = count - LANES; i <= last; i += LANES) {
    l0 += Math.abs(values[i]!);
    l1 += Math.abs(values[i + 1]!);
    l2 += Math.abs(values[i + 2]!);
    l3 += Math.abs(values[i + 3]!);
    l4 += Math.abs(values[i + 4]!);
    l5 += Math.abs(values[i + 5]!);
    l6 += Math.abs(values[i + 6]!);
    l7 += Math.abs(values[i + 7]!);
  }
  setLanes(lanes, at, l0, l1, l2, l3, l4, l5, l6, l7);
  for (; i < count; i++) lanes[at + ((index + i) % LANES)]! += Math.abs(values[i]!);
}

/** How far it is to the next index of lane 0. */
const aligned = (index: number): number => (LANES - (index % LANES)) % LANES;

function setLanes(lanes: Float64Array, at: number, ...values: readonly number[]): void {
  lanes.set(values, at);
}
