/** Keeping some lanes of a vector of words, one vector after another, without branches. */
import {
  addI32,
  get,
  i32,
  load,
  op,
  set,
  store,
  vector,
  type Code,
  type Memory,
} from '../../lib/wasm.ts';

/** What the table of `compressor` takes. */
export const COMPRESS_BYTES = 16 * 16;

/**
 * Code that stores the lanes of `value` whose bit is set in the local `mask` at the address in the local `end`
 * beyond `target`, and moves the end behind them; the words after the end are overwritten. Its table lies in the
 * memory from `begin` on.
 */
export function compressor({ buffer }: Memory, begin: number) {
  const table = new Uint8Array(buffer, begin, COMPRESS_BYTES);
  for (let mask = 0; mask < 16; mask++) {
    const lanes = [0, 1, 2, 3].filter((lane) => ((mask >> lane) & 1) === 1);
    table.set(
      lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte)),
      16 * mask,
    );
  }
  return (end: number, mask: number, value: Code, target: number): Code => [
    store(get(end), vector(0x0e, value, load([get(mask), i32(4), 0x74], begin)), target),
    // The count of the bits that are set, in bytes.
    set(end, addI32(get(end), [op(0x69, get(mask)), i32(2), 0x74])),
  ];
}
