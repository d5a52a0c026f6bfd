import { describe, expect, test } from 'vitest';
import { counterKey, fillRandomBits } from '../../../main/lib/counter-random.ts';
import { normals, randomStream } from '../../../main/lib/random.ts';
import { keepBetween } from '../../../main/merging/elementwise/trim.ts';
import { RowKernel } from '../../../main/merging/kernels/row-kernel.ts';

const random = (count: number) => Float64Array.from(normals(randomStream('row', count), count, 1));

/** Rows that ranking by bins could get wrong. */
const rows: readonly (readonly [string, Float64Array])[] = [
  ['one value', Float64Array.of(-3)],
  ['one zero', Float64Array.of(0)],
  ['five values', Float64Array.of(1, -1, 0, 2, -0.5)],
  ['32 values', random(32)],
  ['768 values', random(768)],
  ['5001 values', random(5001)],
  ['zeros alone', new Float64Array(100)],
  ['equal magnitudes', random(300).map((x) => Math.sign(x) * 0.25)],
  ['few magnitudes', random(1000).map((x) => Math.round(2 * x) / 1024)],
  ['mostly zeros', random(1000).map((x) => (x > 1 ? x * 1e-3 : 0))],
  ['a single outlier', random(1000).map((x, i) => (i === 700 ? 1e30 : x * 1e-6))],
  ['too many in a bin', Float64Array.from({ length: 4000 }, (_, i) => 1e-9 * (1 + i) - 1e-20)],
  ['and below all bins', Float64Array.of(1, ...random(3000).map((x) => 1e-12 * x))],
  ['differences below fp32', Float64Array.from({ length: 64 }, (_, i) => (i * 1e-46) / 3)],
];

/** Indices, the greatest magnitude (as fp32) first and equal ones by index. */
function orderOf(row: Float64Array): number[] {
  const size = Float32Array.from(row, Math.abs);
  return [...row.keys()].sort((a, b) => size[b]! - size[a]! || a - b);
}

describe.each(rows)('%s', (_, row) => {
  test.each([0, 1, 0.01, 0.15, 0.5, 0.99])('what lies between two ranks: %d', (share) => {
    const first = Math.floor(0.01 * row.length);
    const last = Math.min(first + Math.floor(share * row.length), row.length);
    const kernel = new RowKernel(row.length);
    kernel.take(row);
    const kept = row.slice();
    keepBetween(kept, kernel.keys, kernel.top(first), kernel.top(last));
    const chosen = new Set(orderOf(row).slice(first, last));
    expect([...kept].map((x) => x + 0)).toEqual(
      [...row].map((x, i) => (chosen.has(i) ? x + 0 : 0)),
    );
  });

  test.each([
    [0, true],
    [12_345, false],
    [2 ** 32 - 3, true],
    [2 ** 32 + 8, true],
  ])('dropped by rank from index %d, divided: %s', (index, divide) => {
    const count = row.length;
    const key = counterKey('row', count);
    const words = new Uint32Array(count);
    fillRandomBits(words, key, index, count);
    const probabilities = Float64Array.from({ length: count }, (_, i) => 0.6 - (0.2 * i) / count);
    const wanted = new Float64Array(count);
    orderOf(row).forEach((at, place) => {
      const probability = probabilities[place]!;
      if (words[at]! < probability * 2 ** 32) wanted[at] = row[at]! / (divide ? probability : 1);
    });
    const found = row.slice();
    const kernel = new RowKernel(count);
    kernel.take(found);
    kernel.dropRanked(found, probabilities, { key, index, divide });
    expect([...found].map((x) => x + 0)).toEqual([...wanted].map((x) => x + 0));
  });
});
