import { describe, expect, it } from 'vitest';
import { decodeBf16, encodeBf16 } from '../../../../main/checkpoints/half.ts';
import { decoderOf, encoderOf } from '../../../../main/merging/streaming/values.ts';
import { nearestBf16 } from './plans.ts';

/** All bf16 patterns, as bytes. */
const everyHalf = Uint16Array.from({ length: 0x10000 }, (_, pattern) => pattern);

const isFinite16 = (pattern: number) => (pattern & 0x7f80) !== 0x7f80;

/** fp32 values between the bf16 ones: just below, at and just above every middle, of both signs. */
function aroundMiddles(): Float32Array {
  const bits: number[] = [];
  for (let half = 0; half < 0x7f7f; half += 7) {
    for (const low of [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff]) {
      bits.push((half << 16) | low, ((half << 16) | low | 0x80000000) >>> 0);
    }
  }
  return new Float32Array(Uint32Array.from(bits).buffer);
}

describe('bf16', () => {
  it('decodes every finite pattern as the plain conversion does', () => {
    const finite = everyHalf.filter(isFinite16);
    for (const halves of [finite, finite.slice(0, 1001)]) {
      const [found, wanted] = [new Float32Array(halves.length), new Float32Array(halves.length)];
      expect(decoderOf('BF16')!(new Uint8Array(halves.buffer), found)).toBe(true);
      decodeBf16(halves, wanted);
      expect(Buffer.from(found.buffer).equals(Buffer.from(wanted.buffer))).toBe(true);
    }
  });

  it('sees every pattern that is no number, at many places', () => {
    const bad = everyHalf.filter((pattern) => !isFinite16(pattern));
    const target = new Float32Array(20);
    for (const pattern of bad) {
      for (const place of [0, 1, 4, 7, 8, 15, 16, 19]) {
        const halves = new Uint16Array(20).fill(0x7f7f);
        halves[place] = pattern;
        expect(decoderOf('BF16')!(new Uint8Array(halves.buffer), target)).toBe(false);
      }
    }
  });

  it('rounds to nearest, ties to even, as comparing the neighbours says', () => {
    const values = aroundMiddles();
    for (const count of [values.length, 33]) {
      const halves = new Uint16Array(count);
      expect(encoderOf('BF16')(values.subarray(0, count), new Uint8Array(halves.buffer))).toBe(
        true,
      );
      const found = new Float32Array(count);
      decodeBf16(halves, found);
      expect([...found]).toEqual([...values.subarray(0, count)].map(nearestBf16));
      encodeBf16(values.subarray(0, count), halves);
      const again = new Float32Array(count);
      decodeBf16(halves, again);
      expect([...found]).toEqual([...again]);
    }
  });
});

describe.each(['F32', 'BF16', 'F16'] as const)('%s', (dtype) => {
  const width = dtype === 'F32' ? 4 : 2;

  it.each([NaN, Infinity, -Infinity])('refuses %s wherever it is', (bad) => {
    for (const place of [0, 1, 4, 7, 8, 10_000, 16_384, 16_392]) {
      const values = new Float32Array(16_393).fill(-2);
      values[place] = bad;
      const bytes = new Uint8Array(values.length * width);
      expect(encoderOf(dtype)(values, bytes)).toBe(false);
      values[place] = 3;
      expect(encoderOf(dtype)(values, bytes)).toBe(true);
      const found = new Float32Array(values.length);
      expect(decoderOf(dtype)!(bytes, found)).toBe(true);
      expect(Buffer.from(found.buffer).equals(Buffer.from(values.buffer))).toBe(true);
    }
  });

  it('refuses a value that only becomes infinite by rounding', () => {
    const largest = { F32: 3.4028234663852886e38, BF16: 3.3895313892515355e38, F16: 65504 }[dtype];
    const bytes = new Uint8Array(3 * width);
    expect(encoderOf(dtype)(Float32Array.of(0, -largest, largest), bytes)).toBe(true);
    if (dtype === 'F32') return;
    expect(encoderOf(dtype)(Float32Array.of(0, 1, largest * 1.003), bytes)).toBe(false);
  });
});

it('reads NaN in fp32 bytes', () => {
  const values = Float32Array.of(1, 2, NaN);
  const target = new Float32Array(3);
  expect(decoderOf('F32')!(new Uint8Array(values.buffer), target)).toBe(false);
  values[2] = 3;
  expect(decoderOf('F32')!(new Uint8Array(values.buffer), target)).toBe(true);
  expect([...target]).toEqual([1, 2, 3]);
});
