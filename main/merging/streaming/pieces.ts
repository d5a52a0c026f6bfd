/**
 * How tensors are cut. A piece is what a thread is given, what the journal counts and what progress
 * moves by: its size is fixed, so that an interrupted merge can go on under another ceiling. Within a
 * piece a thread works tile by tile, as large as the memory ceiling allows. Methods give the same bytes
 * however their tensors are cut, by the law of `unit`.
 */
import { elementCount } from '../../lib/tensor.ts';
import type { Method } from '../method.ts';

export type Unit = Method['unit'];

/** Values of a piece where the unit allows: 8 MiB of bf16. */
const PIECE_VALUES = 4 * 1024 * 1024;

/** Positions in values, row-major. */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

/** The least number of values of a tensor that can be merged on their own. */
export function unitValues(unit: Unit, shape: readonly number[]): number {
  if (unit === 'value') return 1;
  const whole = Math.max(elementCount(shape), 1);
  return unit === 'tensor' ? whole : Math.min(Math.max(shape.at(-1) ?? 1, 1), whole);
}

/** Consecutive ranges of about `size` values that cut nothing below the unit; a tensor without values has none. */
function cut(range: Range, size: number, least: number): Range[] {
  // Even sizes keep pairs of 16-bit values together.
  const step =
    least === 1 ? Math.max(size - (size % 2), 2) : Math.max(Math.floor(size / least), 1) * least;
  const ranges: Range[] = [];
  for (let begin = range.begin; begin < range.end; begin += step) {
    ranges.push({ begin, end: Math.min(begin + step, range.end) });
  }
  return ranges;
}

export function piecesOf(unit: Unit, shape: readonly number[]): Range[] {
  return cut({ begin: 0, end: elementCount(shape) }, PIECE_VALUES, unitValues(unit, shape));
}

/** The tiles of a piece, of at most `tileValues` values unless a single unit has more. */
export function tilesOf(
  unit: Unit,
  shape: readonly number[],
  piece: Range,
  tileValues: number,
): Range[] {
  return cut(piece, tileValues, unitValues(unit, shape));
}
