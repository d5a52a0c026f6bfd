import { describe, expect, test } from 'vitest';
import { AppError } from '../../../main/lib/errors.ts';
import { checkCompatible } from '../../../main/merging/compatibility.ts';
import { formatVisionConfig } from '../../../main/models/vision-config.ts';
import { memoryCheckpoint, randomWeights, tinyConfig, type MemoryTensor } from './in-memory.ts';

const weights = randomWeights('base');
const base = memoryCheckpoint('/models/base', weights);
const good = memoryCheckpoint('/models/good', weights);
const config = formatVisionConfig(tinyConfig);
const fc1 = 'vision_model.encoder.layers.1.mlp.fc1.weight';

function changed(name: string, tensor?: MemoryTensor): Map<string, MemoryTensor> {
  const copy = new Map(weights);
  if (tensor === undefined) copy.delete(name);
  else copy.set(name, tensor);
  return copy;
}

function refusal(expert: Map<string, MemoryTensor>, expertConfig: unknown): AppError {
  try {
    checkCompatible(base, [good, memoryCheckpoint('/models/bad', expert, expertConfig)]);
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error('no AppError was thrown');
}

const transposed = { shape: [4, 8], data: new Float32Array(32) };

describe('refused experts', () => {
  test.each([
    ['a tensor is missing', changed(fc1), config, `tensor "${fc1}" of shape [8, 4] is missing`],
    [
      'a tensor has another shape of as many values',
      changed(fc1, transposed),
      config,
      `tensor "${fc1}" has shape [4, 8], the base has [8, 4]`,
    ],
    [
      'the width differs',
      weights,
      { ...config, hidden_size: 8 },
      'its config.json says hiddenSize 8, the base /models/base has 4',
    ],
    [
      'the number of heads differs, which no shape shows',
      weights,
      { ...config, num_attention_heads: 1 },
      'its config.json says headCount 1, the base /models/base has 2',
    ],
    [
      'the activation differs',
      weights,
      { ...config, hidden_act: 'gelu' },
      'its config.json says activation gelu, the base /models/base has quick_gelu',
    ],
  ])('%s', (_, expert, expertConfig, what) => {
    const error = refusal(expert, expertConfig);
    expect(error.code).toBe('merge.incompatible');
    expect(error.what).toBe(what);
    expect(error.where).toBe('/models/bad');
    expect(error.hint).toMatch(/^choose /);
  });

  test('config.json is of something else', () => {
    expect(refusal(weights, { model_type: 'bert' }).code).toBe('model.config_invalid');
  });

  test('the base has no projection to compare, the expert lacks the one the base has', () => {
    const projected = { ...tinyConfig, projectionSize: 6 };
    const projectedBase = memoryCheckpoint(
      '/models/projected',
      randomWeights('base', undefined, projected),
      formatVisionConfig(projected),
    );
    const expert = memoryCheckpoint('/models/bad', weights, formatVisionConfig(projected));
    expect(() => checkCompatible(projectedBase, [expert])).toThrow(
      /visual_projection\.weight" of shape \[6, 4\] is missing, in \/models\/bad/,
    );
  });
});

test('no experts', () => {
  expect(() => checkCompatible(base, [])).toThrow(
    expect.objectContaining({ code: 'merge.no_experts' }),
  );
});

test('a base that is no vision encoder', () => {
  const broken = memoryCheckpoint('/models/broken', changed(fc1));
  expect(() => checkCompatible(broken, [good])).toThrow(
    expect.objectContaining({ code: 'model.tensor_missing', where: '/models/broken' }),
  );
});

test('fitting experts give the architecture and no warning', () => {
  expect(checkCompatible(base, [good, good])).toEqual({ config: tinyConfig, warnings: [] });
});

test('a missing config.json and extra tensors are warned of', () => {
  const extra = changed('classifier.weight', { shape: [1], data: new Float32Array(1) });
  const expert = memoryCheckpoint('/models/bare', extra, null);
  const bare = { ...expert, config: undefined };
  expect(checkCompatible(base, [good, bare]).warnings).toEqual([
    expect.objectContaining({ kind: 'config_missing', path: '/models/bare', tensors: [] }),
    expect.objectContaining({
      kind: 'extra_tensors',
      path: '/models/bare',
      tensors: ['classifier.weight'],
    }),
  ]);
});

test('no value is read', () => {
  expect([...base.reads, ...good.reads]).toEqual([]);
});
