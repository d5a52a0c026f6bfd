import { describe, expect, it } from 'vitest';
import { decodeBf16, encodeBf16 } from '../../../../main/checkpoints/half.ts';
import { randomStream } from '../../../../main/lib/random.ts';
import { CombineKernel } from '../../../../main/merging/streaming/combine-kernel.ts';

/** Finite bf16 patterns of all exponents below 2^100, so that no sum is too large. */
function patterns(key: string, count: number): Uint16Array<ArrayBuffer> {
  const random = randomStream(key);
  return Uint16Array.from({ length: count }, () => {
    const exponent = Math.floor(random() * 226);
    return (Math.floor(random() * 2) << 15) | (exponent << 7) | Math.floor(random() * 128);
  });
}

function fp32(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  decodeBf16(halves, values);
  return values;
}

describe.each([
  [[1], 1],
  [[0.5, 0.3, 0.2], 1],
  [[1, 1, 1], 3],
  [[1.7, -0.3, 0, 2 ** -20, 1 / 3, 5, -5, 0.1], 0.7],
])('weights %s, divisor %f', (weights, divisor) => {
  it.each([4096, 1023, 5, 1])('%d values: the bits of the same operations one by one', (count) => {
    const kernel = new CombineKernel(weights, divisor, 4096);
    // A longer tile before, whose remains must not matter.
    for (const k of weights.keys()) kernel.input(k, 8192).fill(0xff);
    expect(kernel.combine(8192)).toBeUndefined();
    const inputs = weights.map((_, k) => patterns(`input ${k}`, count));
    for (const [k, input] of inputs.entries()) {
      kernel.input(k, count * 2).set(new Uint8Array(input.buffer));
    }
    const values = inputs.map(fp32);
    const wanted = new Float32Array(count).map((_, i) => {
      let sum = 0;
      for (const [k, weight] of weights.entries()) sum += weight * values[k]![i]!;
      return sum / divisor;
    });
    const halves = new Uint16Array(count);
    encodeBf16(wanted, halves);
    const found = kernel.combine(count * 2);
    expect(Buffer.from(found!)).toEqual(Buffer.from(halves.buffer));
  });
});

it.each([0x7f80, 0xff80, 0x7fc0, 0xff81])(
  'sees the pattern %d in any input and place',
  (pattern) => {
    const kernel = new CombineKernel([1, 0], 1, 6);
    for (const input of [0, 1]) {
      for (const place of [0, 3, 4, 5]) {
        for (const k of [0, 1]) kernel.input(k, 12).fill(0);
        expect(kernel.combine(12)).toBeDefined();
        new DataView(kernel.input(input, 12).buffer, kernel.input(input, 12).byteOffset).setUint16(
          place * 2,
          pattern,
          true,
        );
        expect(kernel.combine(12)).toBeUndefined();
      }
    }
  },
);

it('sees a sum that is too large for fp32, and one that only is when it is rounded to bf16', () => {
  const kernel = new CombineKernel([1, 1], 1, 4);
  const fill = (first: number, second: number) => {
    for (const [k, pattern] of [first, second].entries()) {
      new Uint16Array(kernel.input(k, 8).buffer, kernel.input(k, 8).byteOffset, 4).fill(pattern);
    }
  };
  fill(0x7f7f, 0);
  expect(kernel.combine(8)).toBeDefined();
  fill(0x7f7f, 0x7f7f);
  expect(kernel.combine(8)).toBeUndefined();
  // Half a step above the largest bf16, which is below the largest fp32.
  fill(0x7f7f, 0x7b00);
  expect(kernel.combine(8)).toBeUndefined();
});
