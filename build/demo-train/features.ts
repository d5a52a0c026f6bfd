/** Features and nearest-head accuracy of an encoder, for choosing training settings. */
import { createOnnxEngine } from '../../main/engine/onnx/engine.ts';
import { imageBatch, type ImageSet } from '../../main/data/images.ts';
import { Builder } from '../../main/graph/builder.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import { logits } from '../../main/models/head.ts';
import { staticModel } from '../../main/models/merged-model.ts';
import type { VisionModel } from '../../main/models/vision-model.ts';
import { imageShape } from '../../main/models/vit.ts';

const batch = 250;

/** Features [indices.length, d]. */
export async function encodeAll(
  model: VisionModel,
  images: ImageSet,
  indices: readonly number[],
  threads: number,
): Promise<Tensor> {
  const encoder = staticModel(model);
  const g = new Builder();
  const input = g.input('images', imageShape(model.config, batch), { batch: true });
  const { features } = encoder.encode(g, input, { reduction: 'per-sample', groups: 1 });
  const executable = await createOnnxEngine({ threads }).compile(
    g.build('features', { features }),
    encoder.constants,
  );
  const width = model.config.hiddenSize;
  const data = new Float32Array(indices.length * width);
  for (let start = 0; start < indices.length; start += batch) {
    const part = indices.slice(start, start + batch);
    const results = await executable.run({ images: await imageBatch(images, part) });
    data.set(results['features']?.data ?? [], start * width);
  }
  await executable.dispose();
  return { shape: [indices.length, width], data };
}

export function accuracyOf(features: Tensor, weight: Tensor, labels: Int32Array): number {
  const scores = logits({ task: '', weight }, features);
  const classes = weight.shape[0] ?? 1;
  let right = 0;
  labels.forEach((label, i) => {
    const row = scores.subarray(i * classes, (i + 1) * classes);
    if (row.indexOf(Math.max(...row)) === label) right++;
  });
  return right / labels.length;
}
