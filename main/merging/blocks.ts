/** Walking over the values of a group in blocks that stay in the processor's cache. */

/** Values in a block: eight experts' blocks in fp64 take 128 KiB. */
export const BLOCK = 2048;

/** Calls `visit(begin, end)` for consecutive blocks of `count` values. */
export function forEachBlock(count: number, visit: (begin: number, end: number) => void): void {
  for (let begin = 0; begin < count; begin += BLOCK) visit(begin, Math.min(begin + BLOCK, count));
}
