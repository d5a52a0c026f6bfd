import { describe, expect, test } from 'vitest';
import { counterKey, fillRandomBits } from '../../../main/lib/counter-random.ts';

function bits(key: readonly (string | number)[], begin: number, count: number): Uint32Array {
  const words = new Uint32Array(count);
  fillRandomBits(words, counterKey(...key), begin, count);
  return words;
}

test('gives the same numbers for ever', () => {
  // These decide which values DARE and DELLA drop: another number here is another merge.
  expect([...bits([1, 'tensor', 0], 0, 4)]).toEqual([
    3720305134, 1921455548, 1235704861, 3167175029,
  ]);
  expect([...bits([1, 'tensor', 0], 2 ** 32 - 2, 4)]).toEqual([
    872538207, 3726740020, 3467844468, 3955404973,
  ]);
});

/** The same function written with big integers, from the description of triple32. */
function slowBits(key: readonly (string | number)[], index: number): number {
  const [first, second, third] = counterKey(...key).map((word) => BigInt(word >>> 0)) as [
    bigint,
    bigint,
    bigint,
  ];
  const low = (x: bigint) => x & 0xffffffffn;
  let x = BigInt(index) ^ first;
  x = low((x ^ (x >> 17n)) * 0xed5ad4bbn + second);
  x = low((x ^ (x >> 11n)) * 0xac4c1b51n + third);
  x = low((x ^ (x >> 15n)) * 0x31848babn);
  return Number(x ^ (x >> 14n));
}

test('agrees with arithmetic in big integers', () => {
  const words = bits([7, 'a.b', 3], 1_000_000, 200);
  words.forEach((word, i) => {
    expect(word).toBe(slowBits([7, 'a.b', 3], 1_000_000 + i));
  });
});

test.each([0, 1, 2047, 2 ** 32 - 5000, 2 ** 32 * 3 - 100])(
  'where a range is cut does not matter, from index %d',
  (begin) => {
    const whole = bits([5], begin, 9000);
    const pieces = [0, 1, 2048, 4999, 5000, 8191, 9000];
    const joined = pieces
      .slice(1)
      .flatMap((end, i) => [...bits([5], begin + pieces[i]!, end - pieces[i]!)]);
    expect(joined).toEqual([...whole]);
  },
);

describe('statistics', () => {
  const COUNT = 1 << 17;
  const streams = [
    [1, 'tensor', 0],
    [1, 'tensor', 1],
    [2, 'tensor', 0],
    [1, 'tensor2', 0],
  ] as const;

  test.each(streams)('seed %d, %s, expert %d: every byte is uniform', (...key) => {
    const words = bits(key, 0, COUNT);
    for (const shift of [0, 8, 16, 24]) {
      const counts = new Float64Array(256);
      for (const word of words) counts[(word >>> shift) & 255]!++;
      const mean = COUNT / 256;
      const chi = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
      // 255 degrees of freedom: mean 255, deviation 22.6.
      expect(Math.abs(chi - 255)).toBeLessThan(5 * 22.6);
    }
  });

  test.each(streams)('seed %d, %s, expert %d: neighbours are independent', (...key) => {
    const words = bits(key, 0, COUNT);
    for (const distance of [1, 2, 64, 2048]) {
      expect(Math.abs(correlation(words.subarray(distance), words))).toBeLessThan(
        5 / Math.sqrt(COUNT),
      );
    }
  });

  test('other keys give other numbers, at the same and at shifted indices', () => {
    for (const [i, left] of streams.entries()) {
      for (const right of streams.slice(i + 1)) {
        for (const shift of [0, 1, 1024]) {
          const r = correlation(bits(left, shift, COUNT), bits(right, 0, COUNT));
          expect(Math.abs(r)).toBeLessThan(5 / Math.sqrt(COUNT));
        }
      }
    }
  });

  test('a flipped bit of the index flips every bit half of the time', () => {
    const words = bits([9], 0, COUNT);
    for (let flip = 0; flip < 17; flip++) {
      let flipped = 0;
      for (let i = 0; i < COUNT; i++) {
        let change = words[i]! ^ words[i ^ (1 << flip)]!;
        for (; change !== 0; change &= change - 1) flipped++;
      }
      expect(flipped / COUNT / 32).toBeCloseTo(0.5, 2);
    }
  });

  function correlation(left: Uint32Array, right: Uint32Array): number {
    const count = Math.min(left.length, right.length);
    let sum = 0;
    for (let i = 0; i < count; i++) sum += (left[i]! / 2 ** 32 - 0.5) * (right[i]! / 2 ** 32 - 0.5);
    return (12 * sum) / count;
  }
});
