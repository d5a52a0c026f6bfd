/** Columns made orthonormal. */
import { normals, randomStream } from '../../lib/random.ts';
import { inverseCholesky } from './inverse-cholesky.ts';
import { combined, scaleColumns, shifted, type Matrix, type Multiply } from './matrix.ts';

/** The nearest matrix with orthonormal columns, of one that has nearly such: Q (3 I − QᵀQ) / 2. */
export async function straightened(multiply: Multiply, q: Matrix): Promise<Matrix> {
  return multiply(q, shifted(await multiply(q, q, { a: true }), -0.5, 1.5));
}

/** An orthonormal basis of the columns of Y, however long, or `undefined` where they are nearly dependent. */
export async function orthonormalBasis(multiply: Multiply, y: Matrix): Promise<Matrix | undefined> {
  const gram = await multiply(y, y, { a: true });
  // Of columns of length 1 the Gram matrix has ones on the diagonal.
  const { rows: size, data } = gram;
  const scale = new Float64Array(size);
  for (let i = 0; i < size; i++) scale[i] = 1 / Math.sqrt(data[i * (size + 1)]!);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) data[i * size + j]! *= scale[i]! * scale[j]!;
  }
  const inverse = await inverseCholesky(multiply, gram);
  return inverse && multiply(y, scaleColumns(inverse, scale), { b: true });
}

/** Fixed pseudo-random normal values: the same for the same key. */
export function randomMatrix(rows: number, columns: number, ...key: (string | number)[]): Matrix {
  const random = randomStream('linear algebra', rows, columns, ...key);
  return { rows, columns, data: Float64Array.from(normals(random, rows * columns, 1)) };
}

/** `count` orthonormal columns that are orthogonal to those of U. */
export async function complement(multiply: Multiply, u: Matrix, count: number): Promise<Matrix> {
  let y: Matrix | undefined = randomMatrix(u.rows, count, 'complement');
  for (let pass = 0; pass < 3 && y !== undefined; pass++) {
    const inside: Matrix = await multiply(u, await multiply(u, y, { a: true }));
    y = await orthonormalBasis(multiply, combined(1, y, -1, inside));
  }
  if (y === undefined) throw new Error('the complement has fewer dimensions than asked for');
  return y;
}
