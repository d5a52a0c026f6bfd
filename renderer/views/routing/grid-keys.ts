/** Moving a focused cell by keyboard, as in a grid of the ARIA practices. */

/** A cell by row and column. */
export interface Place {
  readonly row: number;
  readonly column: number;
}

interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** Where a key leads; undefined for keys that mean nothing here. The edges hold. */
export function movedBy(
  key: string,
  control: boolean,
  from: Place,
  { rows, columns }: Size,
): Place | undefined {
  const moves: Record<string, Place> = {
    ArrowRight: { row: from.row, column: from.column + 1 },
    ArrowLeft: { row: from.row, column: from.column - 1 },
    ArrowDown: { row: from.row + 1, column: from.column },
    ArrowUp: { row: from.row - 1, column: from.column },
    Home: { row: control ? 0 : from.row, column: 0 },
    End: { row: control ? rows - 1 : from.row, column: columns - 1 },
  };
  const to = Object.hasOwn(moves, key) ? moves[key] : undefined;
  if (to === undefined) return undefined;
  return {
    row: Math.min(rows - 1, Math.max(0, to.row)),
    column: Math.min(columns - 1, Math.max(0, to.column)),
  };
}
