/** Products that are symmetric, of which only what is on and above the diagonal is computed. */
import {
  rescaled,
  setBlock,
  transposed,
  zeroMatrix,
  type Matrix,
  type Multiply,
} from './matrix.ts';

/** Fewer columns are multiplied as a whole: calls of the engine cost more than half of the product. */
const SMALL = 384;

const PARTS = 3;

/** AᵀA, or of `rows` A Aᵀ. */
export function gramOf(multiply: Multiply, a: Matrix, rows = false): Promise<Matrix> {
  return symmetricProduct(multiply, a, a, rows);
}

/**
 * The Gram matrix of A / 2ᵏ, 2ᵏ such that the longest of those that are multiplied has a length in [1, 2): of weights, whose
 * squares are far from the ends of fp64, so that A itself need be neither searched nor copied.
 */
export async function normalGramOf(
  multiply: Multiply,
  a: Matrix,
  rows = false,
): Promise<{ readonly gram: Matrix; readonly power: number }> {
  const gram = await gramOf(multiply, a, rows);
  let largest = 0;
  for (let i = 0; i < gram.data.length; i += gram.columns + 1) {
    largest = Math.max(largest, gram.data[i]!);
  }
  const power = largest > 0 ? 2 ** Math.floor(Math.log2(largest) / 2) : 1;
  return { gram: rescaled(gram, power ** -2), power };
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
  // The kernel is fastest on rows of both, by more than the transposition costs.
  const left = rows ? a : transposed(a);
  const right = a === b ? left : rows ? b : transposed(b);
  const bounds = Array.from({ length: PARTS + 1 }, (_, i) => Math.round((i * size) / PARTS));
  const result = zeroMatrix(size, size);
  for (let i = 0; i < PARTS; i++) {
    for (let j = i; j < PARTS; j++) {
      const part = (matrix: Matrix, k: number) => rowsOf(matrix, bounds[k]!, bounds[k + 1]!);
      const product = await multiply(part(left, i), part(right, j), { b: true });
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
