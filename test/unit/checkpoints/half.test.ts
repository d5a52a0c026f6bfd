import { describe, expect, it } from 'vitest';
import {
  decodeBf16,
  decodeFp16,
  encodeBf16,
  encodeFp16,
  findNonFinite,
} from '../../../main/checkpoints/half.ts';

const all = Uint16Array.from({ length: 0x10000 }, (_, i) => i);

/** The value of a fp16 pattern, from the definition of the format. */
function fp16Value(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Nearest of the 31,744 finite magnitudes and infinity, ties to even: the slow definition. */
function nearestFp16(value: number): number {
  const magnitude = Math.abs(value);
  let low = 0;
  let high = 0x7c00;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fp16Value(middle) <= magnitude) low = middle;
    else high = middle;
  }
  // Rounding treats infinity as the next value after 65504.
  const above = high === 0x7c00 ? 65536 : fp16Value(high);
  const below = magnitude - fp16Value(low);
  const rest = above - magnitude;
  const up = rest < below || (rest === below && (low & 1) === 1);
  return ((value < 0 || Object.is(value, -0) ? 0x8000 : 0) | (up ? high : low)) >>> 0;
}

function fromBits(...bits: readonly number[]): Float32Array {
  return new Float32Array(new Uint32Array(bits).buffer);
}

function encoded(encode: typeof encodeFp16, values: Float32Array): readonly string[] {
  const target = new Uint16Array(values.length);
  encode(values, target);
  return [...target].map((half) => half.toString(16).toUpperCase().padStart(4, '0'));
}

/** Random fp32 patterns from a fixed linear congruence, so that a failure can be repeated. */
function randomBits(count: number): Float32Array {
  const bits = new Uint32Array(count);
  let state = 12345;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bits[i] = (state ^ (state >>> 13)) >>> 0;
  }
  return new Float32Array(bits.buffer);
}

describe('fp16', () => {
  it('decodes all 65,536 patterns to the values of the definition', () => {
    const values = new Float32Array(all.length);
    decodeFp16(all, values);
    let wrong = 0;
    for (let i = 0; i < all.length; i++) if (!Object.is(values[i], fp16Value(i))) wrong++;
    expect(wrong).toBe(0);
  });

  it('gives all 65,536 patterns back; NaN stays NaN with its sign', () => {
    const values = new Float32Array(all.length);
    decodeFp16(all, values);
    const back = new Uint16Array(all.length);
    expect(encodeFp16(values, back)).toBe(0);
    const expected = all.map((half) =>
      (half & 0x7fff) > 0x7c00 ? (half & 0x8000) | 0x7e00 : half,
    );
    expect(Buffer.from(back.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  it('rounds the known vectors', () => {
    const tiny = 2 ** -25;
    const values = [
      65519.996,
      65520,
      -65520,
      2 ** -24,
      tiny,
      tiny + 2 ** -48,
      3 * tiny,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
    ];
    expect(encoded(encodeFp16, new Float32Array(values))).toEqual([
      '7BFF',
      '7C00',
      'FC00',
      '0001',
      '0000',
      '0001',
      '0002',
      '3C00',
      '3C02',
    ]);
  });

  it('rounds as the definition does at and around every boundary between two fp16 values', () => {
    const values: number[] = [];
    for (let half = 0; half < 0x7bff; half += 7) {
      const middle = (fp16Value(half) + fp16Value(half + 1)) / 2;
      const bits = new Uint32Array(new Float32Array([middle]).buffer)[0]!;
      values.push(...fromBits(bits - 1, bits, bits + 1), -middle);
    }
    const source = new Float32Array(values);
    const target = new Uint16Array(source.length);
    encodeFp16(source, target);
    expect([...target]).toEqual(values.map(nearestFp16));
  });

  it('rounds 200,000 random fp32 patterns as the definition does', () => {
    const source = randomBits(200_000);
    const target = new Uint16Array(source.length);
    const overflows = encodeFp16(source, target);
    let wrong = 0;
    let infinite = 0;
    for (let i = 0; i < source.length; i++) {
      const value = source[i]!;
      if (Number.isNaN(value)) wrong += (target[i]! & 0x7fff) === 0x7e00 ? 0 : 1;
      else if (target[i] !== nearestFp16(value)) wrong++;
      if (Number.isFinite(value) && (target[i]! & 0x7fff) === 0x7c00) infinite++;
    }
    expect(wrong).toBe(0);
    expect(overflows).toBe(infinite);
    expect(infinite).toBeGreaterThan(1000);
  });
});

describe('bf16', () => {
  it('decodes all 65,536 patterns by moving them up 16 bits', () => {
    const values = new Float32Array(all.length);
    decodeBf16(all, values);
    const bits = new Uint32Array(values.buffer);
    expect(bits.every((word, i) => word === i * 0x10000)).toBe(true);
  });

  it('gives all 65,536 patterns back; NaN stays NaN with its sign', () => {
    const values = new Float32Array(all.length);
    decodeBf16(all, values);
    const back = new Uint16Array(all.length);
    expect(encodeBf16(values, back)).toBe(0);
    const expected = all.map((half) =>
      (half & 0x7fff) > 0x7f80 ? (half & 0x8000) | 0x7fc0 : half,
    );
    expect(Buffer.from(back.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  it('rounds the known vectors', () => {
    const source = fromBits(
      0x3f808000,
      0x3f818000,
      0x3f808001,
      0x7f7f7fff,
      0x7f7f8000,
      0x00008000,
      0x00018000,
      0x80008001,
      0x80000000,
      0x7f800001,
      0x7fffffff,
      0xffffffff,
      0xff800000,
    );
    expect(encoded(encodeBf16, source)).toEqual([
      '3F80',
      '3F82',
      '3F81',
      '7F7F',
      '7F80',
      '0000',
      '0002',
      '8001',
      '8000',
      '7FC0',
      '7FC0',
      'FFC0',
      'FF80',
    ]);
    expect(encodeBf16(source, new Uint16Array(source.length))).toBe(1);
  });

  it('rounds 200,000 random fp32 patterns to the nearer neighbour, ties to even', () => {
    const source = randomBits(200_000);
    const bits = new Uint32Array(source.buffer);
    const target = new Uint16Array(source.length);
    encodeBf16(source, target);
    let wrong = 0;
    for (let i = 0; i < source.length; i++) {
      if (Number.isNaN(source[i])) continue;
      const down = bits[i]! >>> 16;
      const rest = bits[i]! & 0xffff;
      const up = rest > 0x8000 || (rest === 0x8000 && (down & 1) === 1);
      if (target[i] !== down + (up ? 1 : 0)) wrong++;
    }
    expect(wrong).toBe(0);
  });
});

describe('findNonFinite', () => {
  it('counts NaN and infinities and finds the first', () => {
    expect(findNonFinite(new Float32Array([1, NaN, 2, -Infinity]))).toEqual({
      count: 2,
      firstIndex: 1,
    });
    expect(findNonFinite(new Float32Array([3.4e38, 1e-45, -0]))).toEqual({
      count: 0,
      firstIndex: -1,
    });
  });
});
