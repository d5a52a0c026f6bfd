/** The greatest of many keys, of which only a few are kept at a time. */

/** Plain data, which threads can exchange. */
export interface GreatestKeys {
  readonly wanted: number;
  readonly keys: Int32Array;
  count: number;
  /** No key up to this one is among the greatest, unless as an equal of the last of them. */
  bound: number;
}

const capacityOf = (wanted: number) => Math.ceil(1.5 * wanted) + 1024;

export const greatestKeysBytes = (wanted: number): number => 4 * capacityOf(wanted);

/** Keys are not negative. */
export function greatestKeys(wanted: number): GreatestKeys {
  return { wanted, keys: new Int32Array(capacityOf(wanted)), count: 0, bound: -1 };
}

export function addKey(into: GreatestKeys, key: number): void {
  if (key <= into.bound) return;
  into.keys[into.count++] = key;
  if (into.count === into.keys.length) shorten(into);
}

/** The last of those wanted; throws RangeError where there were fewer. */
export function lastOf(greatest: GreatestKeys): number {
  if (greatest.count < greatest.wanted) {
    throw new RangeError(`rank ${greatest.wanted} is past the last of the values`);
  }
  shorten(greatest);
  return greatest.bound;
}

function shorten(greatest: GreatestKeys): void {
  const { keys, count, wanted } = greatest;
  greatest.bound = moveGreatest(keys.subarray(0, count), wanted);
  greatest.count = wanted;
}

/**
 * Moves the greatest keys to the front, in any order; returns the last of them (Hoare's selection). From one to all
 * may be wanted.
 */
export function moveGreatest(keys: Int32Array, wanted: number): number {
  const last = wanted - 1;
  let [begin, end] = [0, keys.length - 1];
  while (begin < end) {
    const pivot = middleOf(keys[begin]!, keys[(begin + end) >> 1]!, keys[end]!);
    let [left, right] = [begin, end];
    while (left <= right) {
      while (keys[left]! > pivot) left++;
      while (keys[right]! < pivot) right--;
      if (left <= right) {
        const key = keys[left]!;
        keys[left++] = keys[right]!;
        keys[right--] = key;
      }
    }
    if (last <= right) end = right;
    else if (last >= left) begin = left;
    else return pivot;
  }
  return keys[last]!;
}

const middleOf = (a: number, b: number, c: number): number =>
  Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
