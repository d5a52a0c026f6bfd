/** Walking over the values of a group in blocks that stay in the processor's cache. */
import type { Group } from './method.ts';

/** Values in a block: eight experts' blocks in fp64 take 128 KiB. */
export const BLOCK = 2048;

/** Calls `visit(begin, end)` for consecutive blocks of `count` values. */
export function forEachBlock(count: number, visit: (begin: number, end: number) => void): void {
  for (let begin = 0; begin < count; begin += BLOCK) visit(begin, Math.min(begin + BLOCK, count));
}

/** Values in a row: along the last dimension; a vector is one row, a scalar a row of one. */
export function rowLength({ shape }: Pick<Group, 'shape'>): number {
  return shape.at(-1) ?? 1;
}

/** Calls `visit(begin, end)` for every row of a group that holds whole rows. */
export function forEachRow(group: Group, visit: (begin: number, end: number) => void): void {
  const length = rowLength(group);
  for (let begin = 0; begin < group.base.length; begin += length) visit(begin, begin + length);
}
