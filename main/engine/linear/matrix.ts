/** Dense fp64 matrices and the few operations on them that cost no more than reading them. */

/** Row-major, fp64. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** op(A) op(B), where op transposes what is asked to be. */
export type Multiply = (
  a: Matrix,
  b: Matrix,
  transpose?: { readonly a?: boolean; readonly b?: boolean },
) => Promise<Matrix>;

export function zeroMatrix(rows: number, columns: number): Matrix {
  return { rows, columns, data: new Float64Array(rows * columns) };
}

/** The first `columns` columns of the identity. */
export function identity(rows: number, columns = rows): Matrix {
  const matrix = zeroMatrix(rows, columns);
  for (let i = 0; i < Math.min(rows, columns); i++) matrix.data[i * columns + i] = 1;
  return matrix;
}

export function transposed({ rows, columns, data }: Matrix): Matrix {
  const result = zeroMatrix(columns, rows);
  const tile = 32;
  for (let top = 0; top < rows; top += tile) {
    for (let left = 0; left < columns; left += tile) {
      const bottom = Math.min(top + tile, rows);
      const right = Math.min(left + tile, columns);
      for (let j = left; j < right; j++) {
        for (let i = top; i < bottom; i++) result.data[j * rows + i] = data[i * columns + j]!;
      }
    }
  }
  return result;
}

/** The block of rows [top, bottom) and columns [left, right), copied. */
export function block(
  matrix: Matrix,
  [top, bottom]: readonly [number, number],
  [left, right]: readonly [number, number],
): Matrix {
  const result = zeroMatrix(bottom - top, right - left);
  for (let i = top; i < bottom; i++) {
    const start = i * matrix.columns;
    result.data.set(matrix.data.subarray(start + left, start + right), (i - top) * result.columns);
  }
  return result;
}

/** Writes `part` into `into` with its corner at (top, left). */
export function setBlock(into: Matrix, part: Matrix, top: number, left: number): void {
  for (let i = 0; i < part.rows; i++) {
    const row = part.data.subarray(i * part.columns, (i + 1) * part.columns);
    into.data.set(row, (top + i) * into.columns + left);
  }
}

/** Columns [begin, end). */
export function columnRange(matrix: Matrix, begin: number, end: number): Matrix {
  return block(matrix, [0, matrix.rows], [begin, end]);
}

/** Matrices of equally many rows, side by side. */
export function besides(parts: readonly Matrix[]): Matrix {
  const columns = parts.reduce((sum, part) => sum + part.columns, 0);
  const result = zeroMatrix(parts[0]?.rows ?? 0, columns);
  let left = 0;
  for (const part of parts) {
    setBlock(result, part, 0, left);
    left += part.columns;
  }
  return result;
}

/** Columns in the order of `order`. */
export function pickColumns(matrix: Matrix, order: readonly number[]): Matrix {
  const { columns } = matrix;
  const result = zeroMatrix(matrix.rows, order.length);
  let place = 0;
  for (let start = 0; start < matrix.data.length; start += columns) {
    for (let j = 0; j < order.length; j++) result.data[place++] = matrix.data[start + order[j]!]!;
  }
  return result;
}

/** Column j times factors[j], in place. */
export function scaleColumns(matrix: Matrix, factors: Float64Array): Matrix {
  const { rows, columns, data } = matrix;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) data[i * columns + j]! *= factors[j]!;
  }
  return matrix;
}

/** factor A. */
export function scaled({ rows, columns, data }: Matrix, factor: number): Matrix {
  // A loop: map calls back for each value and takes several times as long.
  const result = zeroMatrix(rows, columns);
  for (let i = 0; i < data.length; i++) result.data[i] = factor * data[i]!;
  return result;
}

/** factor A, in place. */
export function rescaled(matrix: Matrix, factor: number): Matrix {
  const { data } = matrix;
  for (let i = 0; i < data.length; i++) data[i]! *= factor;
  return matrix;
}

/** alpha A + beta B. */
export function combined(alpha: number, a: Matrix, beta: number, b: Matrix): Matrix {
  const result = zeroMatrix(a.rows, a.columns);
  const { data } = result;
  for (let i = 0; i < data.length; i++) data[i] = alpha * a.data[i]! + beta * b.data[i]!;
  return result;
}

/** factor A + shift I, in place. */
export function shifted(matrix: Matrix, factor: number, shift: number): Matrix {
  const { columns, data } = matrix;
  if (factor !== 1) for (let i = 0; i < data.length; i++) data[i]! *= factor;
  for (let i = 0; i < data.length; i += columns + 1) data[i]! += shift;
  return matrix;
}

/** Euclidean norms of the columns. */
export function columnNorms({ rows, columns, data }: Matrix): Float64Array {
  const norms = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) norms[j]! += data[i * columns + j]! ** 2;
  }
  return norms.map(Math.sqrt);
}

export function largestMagnitude({ data }: Matrix): number {
  let largest = 0;
  for (let i = 0; i < data.length; i++) {
    const magnitude = Math.abs(data[i]!);
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

/** The power of two in [largest magnitude / 2, largest magnitude], 1 for zeros. */
export function powerOf(a: Matrix): number {
  const largest = largestMagnitude(a);
  return largest === 0 ? 1 : 2 ** Math.floor(Math.log2(largest));
}

/** The Frobenius norm of A − B. */
export function distance(a: Matrix, b: Matrix): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i]! - b.data[i]!) ** 2;
  return Math.sqrt(sum);
}
