import { describe, expect, it, test } from 'vitest';
import { loadHead, logits } from '../../../main/models/head.ts';
import { formatVisionConfig } from '../../../main/models/vision-config.ts';
import { loadVisionModel, visionArchitecture } from '../../../main/models/vision-model.ts';
import { visionTensors } from '../../../main/models/vit.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { normalTensor, randomModel, tinyConfig } from '../../support/tiny-models.ts';
import { memoryCheckpoint } from '../merging/in-memory.ts';

const json = formatVisionConfig(tinyConfig);
const q = 'vision_model.encoder.layers.1.self_attn.q_proj.weight';

describe('a checkpoint of an encoder', () => {
  it('is read whole, and tensors of other parts are left aside', async () => {
    const weights = randomModel('model');
    const others = new Map([
      ['text_model.embeddings.token_embedding.weight', normalTensor('text', [4, 4], 1)],
      ['logit_scale', normalTensor('scale', [], 1)],
      ['vision_model.embeddings.position_ids', normalTensor('ids', [1, 5], 1)],
    ]);
    const checkpoint = memoryCheckpoint('here', new Map([...others, ...weights]), json);
    const model = await loadVisionModel(checkpoint);
    expect(model.config).toEqual(tinyConfig);
    expect([...model.weights.keys()]).toEqual([...visionTensors(tinyConfig).keys()]);
    for (const [name, { data }] of model.weights) expect(data).toEqual(weights.get(name)?.data);
    expect(checkpoint.reads).not.toContain('logit_scale');
  });

  it('has a projection when it holds its weights', async () => {
    const config = { ...tinyConfig, projectionSize: 12 };
    const checkpoint = memoryCheckpoint('here', randomModel('p', config), {
      ...json,
      projection_dim: 12,
    });
    expect((await loadVisionModel(checkpoint)).config).toEqual(config);
  });

  test('without config.json is model.config_missing', async () => {
    const plain = memoryCheckpoint('here', randomModel('model'));
    const checkpoint = { ...plain, config: undefined };
    const error = await expectFailure(() => visionArchitecture(checkpoint), 'model.config_missing');
    expect(error.where).toBe('here');
  });

  test('with another config.json is model.config_invalid', async () => {
    const checkpoint = memoryCheckpoint('here', randomModel('model'), { model_type: 'bert' });
    await expectFailure(loadVisionModel(checkpoint), 'model.config_invalid');
  });

  test.each([...visionTensors(tinyConfig).keys()])(
    'without %s is model.tensor_missing',
    async (name) => {
      const weights = randomModel('model');
      weights.delete(name);
      const work = loadVisionModel(memoryCheckpoint('here', weights, json));
      expect((await expectFailure(work, 'model.tensor_missing')).what).toContain(`"${name}"`);
    },
  );

  test.each([
    ['transposed', [24, 16], 'vision_model.encoder.layers.0.mlp.fc2.weight', '[16, 24]'],
    ['flat', [256], q, '[16, 16]'],
    ['of another grid', [10, 16], 'vision_model.embeddings.position_embedding.weight', '[5, 16]'],
  ])('with a tensor %s is model.shape_mismatch', async (_how, shape, name, asked) => {
    const weights = randomModel('model');
    weights.set(name, normalTensor('other', shape, 1));
    const work = loadVisionModel(memoryCheckpoint('here', weights, json));
    const error = await expectFailure(work, 'model.shape_mismatch');
    expect(error.what).toContain(`[${shape.join(', ')}]`);
    expect(error.what).toContain(asked);
  });
});

describe('a head', () => {
  const weight = { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
  const head = (tensors: [string, typeof weight][]) =>
    memoryCheckpoint('head', new Map(tensors), undefined);

  it('may carry the logarithm of its scale', async () => {
    const logit = { shape: [], data: Float32Array.of(Math.log(100)) };
    const scaled = await loadHead(
      head([
        ['weight', weight],
        ['logit_scale', logit],
      ]),
      'a',
      3,
    );
    scaled.weight.data.forEach((x, i) => expect(x).toBeCloseTo(100 * weight.data[i]!, 2));
    const plain = await loadHead(head([['weight', weight]]), 'a', 3);
    expect(plain).toEqual({ task: 'a', weight });
  });

  test('without weights is model.tensor_missing', async () => {
    await expectFailure(loadHead(head([['bias', weight]]), 'a', 3), 'model.tensor_missing');
  });

  test.each([
    ['of another width', [2, 3], 4],
    ['that is flat', [6], 6],
    ['of three axes', [1, 2, 3], 3],
  ])('%s is model.shape_mismatch', async (_how, shape, features) => {
    const odd = head([['weight', { shape, data: weight.data }]]);
    await expectFailure(loadHead(odd, 'a', features), 'model.shape_mismatch');
  });

  it('gives W·v/‖v‖', () => {
    const features = { shape: [2, 3], data: Float32Array.of(3, 0, 4, 0, 2, 0) };
    const found = logits({ task: 'a', weight }, features);
    // v = (3, 0, 4)/5 and (0, 1, 0).
    expect([...found]).toEqual([15 / 5, 36 / 5, 2, 5].map(Math.fround));
  });
});
