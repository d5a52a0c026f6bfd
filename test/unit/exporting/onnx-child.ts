/**
 * Runs an exported ONNX file as a stranger would: this file imports nothing of ours. Arguments: the
 * model; the outputs to print, separated by commas; then files of fp32 images, each with its shape.
 * Prints one line of JSON for each file.
 */
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [model = '', names = '', ...batches] = process.argv.slice(2);
const session = await InferenceSession.create(model, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
});
for (let i = 0; i < batches.length; i += 2) {
  const bytes = readFileSync(batches[i] ?? '');
  const end = bytes.byteOffset + bytes.length;
  const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset, end));
  const shape = (batches[i + 1] ?? '').split(',').map(Number);
  const images = new Tensor('float32', data, shape);
  const results = await session.run({ images }, names.split(','));
  const plain = Object.entries(results).map(([name, tensor]) => ({
    name,
    shape: tensor.dims,
    data: [...(tensor.data as Float32Array)],
  }));
  console.log(JSON.stringify(plain));
}
