/**
 * Products of fp64 matrices by ONNX Runtime. Its kernel sums over the inner dimension in an order that
 * depends on the shapes alone, so the number of threads does not change a byte.
 */
import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import { zeroMatrix, type Matrix, type Multiply } from '../linear/matrix.ts';
import { attributeType, elementType, encodeModel, irVersion, opset } from './proto.ts';

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
      session = createSession(transposeA, transposeB, threads);
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

/** One node, with every dimension left open. */
function createSession(
  transposeA: boolean,
  transposeB: boolean,
  threads: number,
): Promise<ort.InferenceSession> {
  const matrix = (name: string, rows: string, columns: string) => ({
    name,
    type: {
      tensorType: {
        elemType: elementType.double,
        shape: { dim: [{ dimParam: rows }, { dimParam: columns }] },
      },
    },
  });
  const flag = (name: string, value: boolean) => ({
    name,
    type: attributeType.int,
    i: value ? 1 : 0,
  });
  const model = encodeModel({
    irVersion,
    producerName: 'mergewright',
    producerVersion: '0.1.0',
    docString: '',
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: [],
    graph: {
      name: 'matrix-product',
      docString: '',
      initializer: [],
      node: [
        {
          opType: 'Gemm',
          name: 'product',
          input: ['a', 'b'],
          output: ['product'],
          attribute: [flag('transA', transposeA), flag('transB', transposeB)],
        },
      ],
      input: [
        transposeA ? matrix('a', 'inner', 'rows') : matrix('a', 'rows', 'inner'),
        transposeB ? matrix('b', 'columns', 'inner') : matrix('b', 'inner', 'columns'),
      ],
      output: [matrix('product', 'rows', 'columns')],
    },
  });
  return ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 3,
    // Shapes change from call to call: nothing to plan ahead.
    enableMemPattern: false,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}
