import { expect, test } from 'vitest';
import { randomStream } from '../../../main/lib/random.ts';
import {
  addKey,
  greatestKeys,
  lastOf,
  moveGreatest,
} from '../../../main/merging/elementwise/greatest-keys.ts';

const COUNT = 20_000;
const random = randomStream('keys');
const spread = Int32Array.from({ length: COUNT }, () => random() * 0x7f800000);
const orders: readonly (readonly [string, Int32Array])[] = [
  ['in any order', spread],
  ['rising', spread.toSorted()],
  ['falling', spread.toSorted().reverse()],
  ['few different ones', spread.map((key) => key % 7)],
  ['all the same', new Int32Array(COUNT)],
];

test.each(orders)('%s: the last of the greatest is that of sorting', (_, keys) => {
  const sorted = keys.toSorted().reverse();
  for (const wanted of [1, 2, 999, COUNT - 1, COUNT]) {
    const greatest = greatestKeys(wanted);
    for (const key of keys) addKey(greatest, key);
    expect(lastOf(greatest), `${wanted}`).toBe(sorted[wanted - 1]);
    const moved = keys.slice();
    expect(moveGreatest(moved, wanted), `${wanted}`).toBe(sorted[wanted - 1]);
    expect(moved.subarray(0, wanted).toSorted().reverse()).toEqual(sorted.subarray(0, wanted));
    expect(moved.toSorted().reverse()).toEqual(sorted);
  }
});

test('fewer than wanted have no last', () => {
  const greatest = greatestKeys(2);
  addKey(greatest, 1);
  expect(() => lastOf(greatest)).toThrow(RangeError);
});
