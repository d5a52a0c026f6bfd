/**
 * Chains of matrix products by ONNX Runtime. Its kernels sum over the inner dimension in an order that
 * depends on the shapes alone, so the number of threads does not change a byte.
 */
import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import type { Products, RunChain } from '../linear/single.ts';
import { createSession } from './gemm-session.ts';
import { createMatrixProduct } from './matrix-product.ts';

/** Products of both kinds; `threads` work on one product. */
export function createProducts(threads = availableParallelism()): Products {
  return { multiply: createMatrixProduct(threads), chain: createChain(threads) };
}

/** Sessions are made at the first run of a chain and kept, whatever the shapes. */
function createChain(threads: number): RunChain {
  const sessions = new Map<string, Promise<ort.InferenceSession>>();
  return async (steps, inputs) => {
    const last = steps.at(-1);
    if (last === undefined) throw new Error('a chain without steps');
    const key = JSON.stringify(steps);
    let session = sessions.get(key);
    if (session === undefined) {
      session = createSession({ steps, inputs: Object.keys(inputs), type: 'float', threads });
      sessions.set(key, session);
    }
    const feeds: Record<string, ort.Tensor> = {};
    for (const [name, { rows, columns, data }] of Object.entries(inputs)) {
      feeds[name] = new ort.Tensor('float32', data, [rows, columns]);
    }
    const output = (await (await session).run(feeds))[last.result];
    const [rows = 0, columns = 0] = output?.dims ?? [];
    if (output?.type !== 'float32') throw new Error('ONNX Runtime returned no product');
    return { rows, columns, data: output.data as Float32Array };
  };
}
