/** Multiplies two small matrices by a provider, in this process. */
import * as ort from 'onnxruntime-node';
import { probeLeft, probeModel, probeRight } from './probe-model.ts';

/** The product [2, 2], row by row; throws what ONNX Runtime throws. */
export async function probeHere(backend: string): Promise<readonly number[]> {
  const session = await ort.InferenceSession.create(probeModel(), {
    executionProviders: [backend],
    logSeverityLevel: 3,
  });
  const { product } = await session.run({
    left: new ort.Tensor('float32', probeLeft, [2, 3]),
    right: new ort.Tensor('float32', probeRight, [3, 2]),
  });
  await session.release();
  return [...(product?.data as Float32Array)];
}
