/** The task vectors of a group, all experts side by side, block by block. */
import { BLOCK, forEachBlock } from '../blocks.ts';
import type { Group } from '../method.ts';
import { subtract } from './arithmetic.ts';

/** Calls `visit` with θk − θ0 of each expert from `begin` on; the lists are used again. */
export function forEachChange(
  { base, experts }: Group,
  visit: (changes: readonly Float64Array[], begin: number, count: number) => void,
): void {
  const changes = experts.map(() => new Float64Array(Math.min(BLOCK, base.length)));
  forEachBlock(base.length, (begin, end) => {
    experts.forEach((expert, k) => {
      subtract(changes[k]!, expert, base, begin, end);
    });
    visit(changes, begin, end - begin);
  });
}

/** θ0 + λ × a change that `write` computes from those of the experts. */
export function mergeChanges(
  group: Group,
  lambda: number,
  write: (target: Float64Array, changes: readonly Float64Array[], count: number) => void,
): Float32Array {
  const merged = new Float32Array(group.base.length);
  const target = new Float64Array(Math.min(BLOCK, group.base.length));
  forEachChange(group, (changes, begin, count) => {
    write(target, changes, count);
    for (let i = 0; i < count; i++) {
      merged[begin + i] = group.base[begin + i]! + lambda * target[i]!;
    }
  });
  return merged;
}

/** θk − θ0 of each expert, from `begin` to `end`. */
export function changesWithin(
  { base, experts }: Group,
  begin: number,
  end: number,
): Float64Array[] {
  return experts.map((expert) => {
    const change = new Float64Array(end - begin);
    subtract(change, expert, base, begin, end);
    return change;
  });
}
