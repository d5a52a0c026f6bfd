/**
 * A process of its own that tries a provider: a broken driver takes this process along, not the one that asked, and
 * what the driver writes on the error output can be read. It multiplies two small matrices and prints the product.
 */
import * as ort from 'onnxruntime-node';
import { probeLeft, probeModel, probeRight } from './probe-model.ts';

const [backend = ''] = process.argv.slice(2);
const session = await ort.InferenceSession.create(probeModel(), {
  executionProviders: [backend],
  logSeverityLevel: 3,
});
const { product } = await session.run({
  left: new ort.Tensor('float32', probeLeft, [2, 3]),
  right: new ort.Tensor('float32', probeRight, [3, 2]),
});
process.stdout.write(JSON.stringify([...(product?.data as Float32Array)]));
// Threads of a driver may keep the process, and some drivers fail while they are unloaded.
process.stdout.once('drain', () => process.exit(0));
setImmediate(() => process.exit(0));
