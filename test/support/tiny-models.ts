/** Tiny random encoders, experts and heads: the same numbers for the same key on every run. */
import type { ExpertSet } from '../../main/adaptation/dictionary.ts';
import { normals, randomStream } from '../../main/lib/random.ts';
import { elementCount, type Tensor } from '../../main/lib/tensor.ts';
import type { Head } from '../../main/models/head.ts';
import type { VisionConfig } from '../../main/models/vision-config.ts';
import { imageShape, visionTensors } from '../../main/models/vit.ts';

export const tinyConfig: VisionConfig = {
  hiddenSize: 16,
  intermediateSize: 24,
  layerCount: 2,
  headCount: 2,
  imageSize: 8,
  patchSize: 4,
  channelCount: 3,
  activation: 'quick_gelu',
  layerNormEpsilon: 1e-5,
  projectionSize: undefined,
};

export function normalTensor(key: string, shape: readonly number[], deviation: number): Tensor {
  return { shape, data: normals(randomStream('test', key), elementCount(shape), deviation) };
}

/** Weights of an encoder; layer norms scale by about 1, as in a trained model. */
export function randomModel(key: string, config: VisionConfig = tinyConfig): Map<string, Tensor> {
  return new Map(
    [...visionTensors(config)].map(([name, shape]) => {
      const { data } = normalTensor(`${key} ${name}`, shape, 0.3);
      const scale = name.includes('norm') && name.endsWith('.weight');
      return [name, { shape, data: scale ? data.map((x) => 1 + x) : data }];
    }),
  );
}

/** A copy with every value moved by about `deviation`, as by fine-tuning. */
export function nearby(
  weights: ReadonlyMap<string, Tensor>,
  key: string,
  deviation: number,
): Map<string, Tensor> {
  return new Map(
    [...weights].map(([name, { shape, data }]) => {
      const change = normalTensor(`${key} ${name}`, shape, deviation).data;
      return [name, { shape, data: data.map((x, i) => x + change[i]!) }];
    }),
  );
}

export function expertSet(count: number, config: VisionConfig = tinyConfig): ExpertSet {
  const base = randomModel('base', config);
  const experts = Array.from({ length: count }, (_, k) => nearby(base, `expert ${k}`, 0.1));
  return { config, base, experts };
}

export function randomImages(count: number, config: VisionConfig = tinyConfig): Tensor {
  return normalTensor(`images ${count}`, imageShape(config, count), 1);
}

/** Rows of length `scale`, as text embeddings times a logit scale. */
export function randomHead(task: string, classes: number, features: number, scale = 5): Head {
  const { data } = normalTensor(`head ${task}`, [classes, features], 1);
  for (let row = 0; row < classes; row++) {
    const weights = data.subarray(row * features, (row + 1) * features);
    const norm = Math.hypot(...weights);
    weights.forEach((x, i) => (weights[i] = (scale * x) / norm));
  }
  return { task, weight: { shape: [classes, features], data } };
}

/** Images `from` … `to`−1 of a batch. */
export function pickImages({ shape, data }: Tensor, from: number, to: number): Tensor {
  const size = elementCount(shape.slice(1));
  return { shape: [to - from, ...shape.slice(1)], data: data.slice(from * size, to * size) };
}
