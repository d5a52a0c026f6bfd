/** Tensors of which most values are zero, stored as the others and a bit for every place. */

/** A bit for every value and 32 for each that is not 0 take less room than all, below 31 of 32. */
const sparseShare = 0.8;
/** An index of ONNX has 64 bits and stands beside a value of 32, so a quarter of all takes three quarters of the room. */
const indexedShare = 0.25;

/** Bytes of task vectors with `places` values of which `kept` are not 0, in either format. */
export function dictionaryBytes(
  format: 'safetensors' | 'onnx',
  { places, kept }: { places: number; kept: number },
): number {
  if (format === 'onnx') return kept <= indexedShare * places ? 12 * kept : 4 * places;
  return kept < sparseShare * places ? 4 * kept + places / 8 : 4 * places;
}

/** Whether an ONNX file holds these values with their indices. */
export function isWorthIndices(data: Float32Array): boolean {
  return nonZeroCount(data) <= indexedShare * data.length;
}

export function sparseNames(name: string): { readonly mask: string; readonly values: string } {
  return { mask: `${name}.mask`, values: `${name}.values` };
}

export function isSparse(data: Float32Array): boolean {
  return nonZeroCount(data) < sparseShare * data.length;
}

function nonZeroCount(data: Float32Array): number {
  let count = 0;
  for (const value of data) if (value !== 0) count++;
  return count;
}

export function maskBytes(shape: readonly number[]): number {
  return Math.ceil(shape.reduce((product, size) => product * size, 1) / 8);
}

/** Bit i & 7 of byte i >> 3 is set where value i is not 0. Bytes are given as numbers, as tensors hold them. */
export function compress(data: Float32Array): { mask: Float32Array; values: Float32Array } {
  const bits = new Uint8Array(maskBytes([data.length]));
  const values = new Float32Array(nonZeroCount(data));
  let next = 0;
  data.forEach((value, i) => {
    if (value === 0) return;
    bits[i >> 3]! |= 1 << (i & 7);
    values[next++] = value;
  });
  return { mask: Float32Array.from(bits), values };
}

export function countBits(mask: Float32Array): number {
  let count = 0;
  for (const byte of mask) for (let rest = byte; rest !== 0; rest >>= 1) count += rest & 1;
  return count;
}

/** The `size` values of a mask and of as many values as it has bits; bits behind the end count for nothing. */
export function expand(size: number, mask: Float32Array, values: Float32Array): Float32Array {
  const data = new Float32Array(size);
  let next = 0;
  for (let i = 0; i < size; i++) {
    if ((mask[i >> 3]! & (1 << (i & 7))) !== 0) data[i] = values[next++] ?? 0;
  }
  return data;
}
