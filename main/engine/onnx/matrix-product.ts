/**
 * Products of fp64 matrices by ONNX Runtime. Its kernel sums over the inner dimension in an order that
 * depends on the shapes alone, so the number of threads does not change a byte.
 */
import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import { zeroMatrix, type Matrix, type Multiply } from '../linear/matrix.ts';
import { createSession } from './gemm-session.ts';

/** Sessions are made at the first product of their kind and kept; `threads` work on one product. */
export function createMatrixProduct(threads = availableParallelism()): Multiply {
  const sessions = new Map<string, Promise<ort.InferenceSession>>();
  return async (a, b, { a: transposeA = false, b: transposeB = false } = {}) => {
    const [rows, inner] = transposeA ? [a.columns, a.rows] : [a.rows, a.columns];
    const [innerOfB, columns] = transposeB ? [b.columns, b.rows] : [b.rows, b.columns];
    if (inner !== innerOfB) {
      throw new Error(`no product of ${rows}×${inner} and ${innerOfB}×${columns}`);
    }
    if (rows * columns * inner === 0) return zeroMatrix(rows, columns);
    const key = `${String(transposeA)} ${String(transposeB)}`;
    let session = sessions.get(key);
    if (session === undefined) {
      const step = { result: 'product', a: 'a', b: 'b', transposeA, transposeB };
      session = createSession({ steps: [step], inputs: ['a', 'b'], type: 'double', threads });
      sessions.set(key, session);
    }
    const { product } = await (await session).run({ a: tensorOf(a), b: tensorOf(b) });
    if (product?.type !== 'float64') throw new Error('ONNX Runtime returned no product');
    return { rows, columns, data: product.data as Float64Array };
  };
}

function tensorOf({ rows, columns, data }: Matrix): ort.Tensor {
  return new ort.Tensor('float64', data, [rows, columns]);
}
