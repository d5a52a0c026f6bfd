/** Products that are symmetric, of which only what is on and above the diagonal is computed. */
import { block, setBlock, transposed, zeroMatrix, type Matrix, type Multiply } from './matrix.ts';

/** Fewer columns are multiplied as a whole: calls of the engine cost more than half of the product. */
const SMALL = 512;

const PARTS = 4;

/** AᵀA, or of `rows` A Aᵀ. */
export function gramOf(multiply: Multiply, a: Matrix, rows = false): Promise<Matrix> {
  return symmetricProduct(multiply, a, a, rows);
}

/** AᵀB, or of `rows` A Bᵀ, for A and B of which it is known to be symmetric. */
export async function symmetricProduct(
  multiply: Multiply,
  a: Matrix,
  b: Matrix,
  rows = false,
): Promise<Matrix> {
  const size = rows ? a.rows : a.columns;
  if (size < SMALL) return multiply(a, b, { a: !rows, b: rows });
  const bounds = Array.from({ length: PARTS + 1 }, (_, i) => Math.round((i * size) / PARTS));
  const partsOf = (matrix: Matrix) =>
    bounds.slice(1).map((end, i) => (rows ? rowsOf : columnsOf)(matrix, bounds[i]!, end));
  const lefts = partsOf(a);
  const rights = a === b ? lefts : partsOf(b);
  const result = zeroMatrix(size, size);
  for (const [i, left] of lefts.entries()) {
    for (const [j, right] of rights.entries()) {
      if (j < i) continue;
      const product = await multiply(left, right, { a: !rows, b: rows });
      setBlock(result, product, bounds[i]!, bounds[j]!);
      if (j > i) setBlock(result, transposed(product), bounds[j]!, bounds[i]!);
    }
  }
  return result;
}

/** A view. */
function rowsOf({ columns, data }: Matrix, begin: number, end: number): Matrix {
  return { rows: end - begin, columns, data: data.subarray(begin * columns, end * columns) };
}

function columnsOf(a: Matrix, begin: number, end: number): Matrix {
  return block(a, [0, a.rows], [begin, end]);
}
