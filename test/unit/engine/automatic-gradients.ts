/**
 * TensorFlow.js's own automatic differentiation, as an oracle. Its gradient rules are not part of the
 * bundle it offers to Node, so they are bundled here; they find the loaded library through globals.
 */
import * as tf from '@tensorflow/tfjs-core';
import { build } from 'esbuild';
import { createRequire } from 'node:module';
import { runInThisContext } from 'node:vm';
import { startBackend } from '../../../main/engine/tfjs/backends.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';

const require = createRequire(import.meta.url);

/** Makes `automaticGradients` work in this process. */
export async function prepareAutomaticGradients(): Promise<void> {
  await startBackend('tfjs-wasm');
  await tf.setBackend('wasm');
  const { outputFiles } = await build({
    entryPoints: [require.resolve('@tensorflow/tfjs-core/dist/register_all_gradients.js')],
    bundle: true,
    format: 'cjs',
    platform: 'node',
    write: false,
    logLevel: 'silent',
  });
  const text = outputFiles[0]?.text ?? '';
  const run: unknown = runInThisContext(`(function (require, module, exports) {${text}})`);
  const module = { exports: {} };
  (run as (...given: unknown[]) => void)(require, module, module.exports);
}

/** Gradients of a scalar function with respect to each of `point`. */
export function automaticGradients(
  objective: (...xs: tf.Tensor[]) => tf.Tensor,
  point: readonly Tensor[],
): readonly Tensor[] {
  const results: Tensor[] = [];
  tf.tidy(() => {
    for (const gradient of tf.grads(objective)(point.map(upload))) {
      results.push({ shape: gradient.shape, data: Float32Array.from(gradient.dataSync()) });
    }
  });
  return results;
}

export function upload({ data, shape }: Tensor): tf.Tensor {
  return tf.tensor(data, [...shape], 'float32');
}
