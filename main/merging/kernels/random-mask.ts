/** Random masks as vector code: `fillRandomBits` of lib/counter-random.ts, then compared. */
import {
  addWords,
  get,
  loadWords,
  multiplyWords,
  set,
  shiftRight,
  vector,
  words,
  xor,
  type Code,
} from '../../lib/wasm.ts';

/** Where the record of an expert holds the key, and the greatest of 31 random bits that is kept. */
export const field = { first: 20, second: 24, third: 28, random: 32 } as const;

/**
 * Writes the random words of the four indices in the local `place` to the local `x`; `record` is the address of
 * the expert's record.
 */
export function randomBits(place: number, x: number, record: Code): Code {
  const word = (offset: number) => loadWords(record, offset);
  const mixed = (shift: number, by: number): Code =>
    multiplyWords(xor(get(x), shiftRight(get(x), shift)), words(by));
  return [
    set(x, xor(get(place), word(field.first))),
    set(x, addWords(mixed(17, 0xed5ad4bb), word(field.second))),
    set(x, addWords(mixed(11, 0xac4c1b51), word(field.third))),
    set(x, mixed(15, 0x31848bab)),
    set(x, xor(get(x), shiftRight(get(x), 14))),
  ];
}

/** Which of them are kept; works in the local `x`. */
export function randomMask(place: number, x: number, record: Code): Code {
  return [
    randomBits(place, x, record),
    vector(0x3d, shiftRight(get(x), 1), loadWords(record, field.random)),
  ];
}
