import { expect, test } from 'vitest';
import { CancelledError } from '../../../main/lib/errors.ts';
import { measureTaskVectors } from '../../../main/merging/task-vectors.ts';
import { parameterCount, visionTensors } from '../../../main/models/vit.ts';
import { memoryCheckpoint, randomWeights, tinyConfig, type MemoryTensor } from './in-memory.ts';

const weights = randomWeights('base');
const base = memoryCheckpoint('/base', weights);

function expertOf(name: string, change: (value: number, tensor: string, i: number) => number) {
  const changed = new Map<string, MemoryTensor>();
  for (const [tensor, { shape, data }] of weights) {
    changed.set(tensor, { shape, data: data.map((x, i) => change(x, tensor, i)) });
  }
  return memoryCheckpoint(name, changed);
}

const bias = 'vision_model.encoder.layers.1.mlp.fc1.bias';
const projection = 'vision_model.encoder.layers.0.self_attn.k_proj.weight';

test('norms of tensors, layers and the whole, and cosines', async () => {
  const report = await measureTaskVectors(base, [
    expertOf('/a', (x, tensor, i) => (tensor === bias && i === 0 ? x + 3 : x)),
    expertOf('/b', (x, tensor, i) => {
      if (tensor === bias && i === 0) return x - 3;
      return tensor === projection && i === 5 ? x + 4 : x;
    }),
  ]);
  expect(report.tensors.map(({ name }) => name)).toEqual([...visionTensors(tinyConfig).keys()]);
  const [a, b] = report.tensors.find(({ name }) => name === bias)?.experts ?? [];
  expect(a).toBeCloseTo(3, 6);
  expect(b).toBeCloseTo(3, 6);
  expect(report.layers.map(({ name }) => name)).toEqual(['embeddings', '0', '1', 'output']);
  expect(report.layers.map(({ experts }) => Math.round(experts[1] ?? -1))).toEqual([0, 4, 3, 0]);
  expect(report.whole.parameterCount).toBe(parameterCount(tinyConfig));
  const size = Math.hypot(...[...weights.values()].flatMap(({ data }) => [...data]));
  expect(report.whole.base).toBeCloseTo(size, 10);
  expect(report.whole.experts[1]).toBeCloseTo(5, 6);
  expect(report.cosines[0]?.[0]).toBe(1);
  expect(report.cosines[0]?.[1]).toBeCloseTo(-0.6, 6);
  expect(report.cosines[1]?.[0]).toBe(report.cosines[0]?.[1]);
});

test('sums are kept in fp64', async () => {
  // An fp32 running sum of these squares stays at 1, and misses the half that follows.
  const config = { ...tinyConfig, intermediateSize: 4096 };
  const zeros = new Map(
    [...randomWeights('base', undefined, config)].map(([name, { shape, data }]) => [
      name,
      { shape, data: data.fill(0) },
    ]),
  );
  const name = 'vision_model.encoder.layers.0.mlp.fc1.weight';
  const shape = zeros.get(name)?.shape ?? [];
  const data = new Float32Array(4096 * 4).fill(2 ** -13).fill(1, 0, 1);
  const wide = { model_type: 'clip_vision_model', hidden_size: 4, intermediate_size: 4096 };
  const rest = { num_hidden_layers: 2, num_attention_heads: 2, image_size: 4, patch_size: 2 };
  const whole = (
    await measureTaskVectors(memoryCheckpoint('/zero', zeros, { ...wide, ...rest }), [
      memoryCheckpoint('/long', new Map([...zeros, [name, { shape, data }]]), { ...wide, ...rest }),
    ])
  ).whole;
  expect(whole.experts[0]).toBeCloseTo(Math.sqrt(1 + (4096 * 4 - 1) * 2 ** -26), 12);
});

test('warnings', async () => {
  const near = expertOf('/near', (x) => x * 1.01);
  const report = await measureTaskVectors(base, [
    near,
    expertOf('/copy', (x) => x),
    expertOf('/twin', (x) => x * 1.01),
    expertOf('/other', (x) => -x),
    expertOf('/broken', (x, tensor, i) => (tensor === bias && i === 2 ? Number.NaN : x * 1.02)),
  ]);
  expect(report.warnings.map(({ kind, path, tensors }) => ({ kind, path, tensors }))).toEqual([
    { kind: 'non_finite', path: '/broken', tensors: [bias] },
    { kind: 'identical_to_base', path: '/copy', tensors: [] },
    { kind: 'identical_experts', path: '/twin', tensors: [] },
    { kind: 'far_from_base', path: '/other', tensors: [] },
  ]);
  expect(report.warnings[2]?.message).toContain('/near');
  expect(report.cosines[1]).toEqual([0, 0, 0, 0, 0]);
  expect(report.whole.experts.every(Number.isFinite)).toBe(true);
});

test('cancelling', async () => {
  const controller = new AbortController();
  const seen: string[] = [];
  const measuring = measureTaskVectors(base, [expertOf('/a', (x) => x)], {
    signal: controller.signal,
    onProgress: ({ tensor, index }) => {
      seen.push(tensor);
      if (index === 3) controller.abort();
    },
  });
  await expect(measuring).rejects.toBeInstanceOf(CancelledError);
  expect(seen).toHaveLength(3);
});
