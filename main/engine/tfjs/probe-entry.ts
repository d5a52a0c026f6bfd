/**
 * The program that tries native TensorFlow (`runProbe`): loads it as the engine does, multiplies two small matrices on
 * the device that it takes by itself, and prints what came of it.
 */
import * as tf from '@tensorflow/tfjs-core';
import { createRequire } from 'node:module';
import { loadNative, registered, type NativeOrder } from './native-backend.ts';
import { loadNodePackage } from './node-package.ts';
import { probeLeft, probeRight, type ProbeAnswer } from './probe-answer.ts';

async function answer(order: NativeOrder): Promise<ProbeAnswer> {
  try {
    tf.enableProdMode();
    const require = createRequire(import.meta.url);
    loadNative(order, loadNodePackage, (file) => require(file) as unknown);
    if (!(await tf.setBackend(registered))) return { failure: 'its backend does not start' };
    const product = tf.matMul(tf.tensor2d(probeLeft, [2, 3]), tf.tensor2d(probeRight, [3, 2]));
    return { product: [...(await product.data())] };
  } catch (cause) {
    return { failure: cause instanceof Error ? cause.message : String(cause) };
  }
}

const [order = '{}'] = process.argv.slice(2);
const text = JSON.stringify(await answer(JSON.parse(order) as NativeOrder));
// Threads of the library may keep the process.
process.stdout.write(text, () => process.exit(0));
