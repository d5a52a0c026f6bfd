/** Tokens, features, heads and logits that transformers' CLIP gives (zero_shot.py, with PyTorch). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../main/checkpoints/open-model.ts';
import { openCheckpoint } from '../../main/checkpoints/open.ts';
import { openEngine } from '../../main/engine/registry.ts';
import { compileEncoder } from '../../main/evaluation/evaluate.ts';
import { argmax } from '../../main/evaluation/tally.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import { logits, scaledHead } from '../../main/models/head.ts';
import { staticModel } from '../../main/models/merged-model.ts';
import { loadTextModel } from '../../main/models/text-model.ts';
import { loadVisionModel } from '../../main/models/vision-model.ts';
import { openHeadMaker } from '../../main/text/head-maker.ts';
import { textFeatures } from '../../main/text/text-encoder.ts';
import { readTokenizer } from '../../main/text/tokenizer.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { expectClose } from '../support/values.ts';

const folder = fileURLToPath(new URL('zero-shot/', import.meta.url));
const models = ['openai-style', 'later-style'] as const;
const engines = ['reference', 'onnx', 'tfjs-wasm'] as const;

interface Expected {
  readonly limit: number;
  readonly texts: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly classes: string[];
  readonly templates: string[];
  readonly predictions: readonly number[];
}

async function expectedOf(name: string): Promise<Expected> {
  return JSON.parse(await readFile(join(folder, name, 'expected.json'), 'utf8')) as Expected;
}

async function expectedTensor(name: string, tensor: string): Promise<Tensor> {
  const checkpoint = await openCheckpoint(join(folder, name, 'expected.safetensors'));
  try {
    return await checkpoint.read(tensor);
  } finally {
    await checkpoint.close();
  }
}

it.each([...models, 'openai-tokens'])('the tokens of %s', async (name) => {
  const { limit, texts } = await expectedOf(name);
  const tokenizer = await readTokenizer(join(folder, name));
  expect(texts.length).toBeGreaterThan(12);
  for (const { text, ids } of texts) expect(tokenizer.ids(text, limit), text).toEqual(ids);
});

describe.each(models)('%s', (name) => {
  it.each(engines)('features of texts on %s', async (id) => {
    const { texts } = await expectedOf(name);
    const checkpoint = await openModel(join(folder, name));
    const model = await loadTextModel(checkpoint);
    await checkpoint.close();
    const found = await textFeatures(
      await openEngine(id),
      model,
      await readTokenizer(join(folder, name)),
      texts.map(({ text }) => text),
      { batch: 4 },
    );
    expectClose(found, await expectedTensor(name, 'text_features'), 1e-5);
  });

  it.each(engines)('head, logits and predictions on %s', async (id) => {
    const { classes, templates, predictions } = await expectedOf(name);
    const engine = await openEngine(id);
    const maker = await openHeadMaker(join(folder, name), {
      cache: await temporaryFolder(),
      engine: () => Promise.resolve(engine),
    });
    const made = await maker.make({ classes, templates }).finally(() => maker.close());
    expectClose(made.weight, await expectedTensor(name, 'weight'), 1e-5);

    const checkpoint = await openModel(join(folder, name));
    const model = staticModel(await loadVisionModel(checkpoint));
    await checkpoint.close();
    const images = await expectedTensor(name, 'images');
    const options = { batch: images.shape[0]!, reduction: 'per-sample' } as const;
    const encoder = await compileEncoder(engine, model, new Map(), options);
    const { features } = await encoder.encode(images);
    await encoder.dispose();
    expectClose(features, await expectedTensor(name, 'image_features'), 1e-5);

    const shape = [images.shape[0]!, classes.length];
    const found = { shape, data: logits(scaledHead('task', made), features) };
    const wanted = await expectedTensor(name, 'logits');
    expectClose(found, wanted, 1e-4);
    const worst = Math.max(...found.data.map((x, i) => Math.abs(x - wanted.data[i]!)));
    expect(worst).toBeLessThan(1e-3);
    const rows = predictions.map((_, i) =>
      argmax(found.data.subarray(i * classes.length, (i + 1) * classes.length)),
    );
    expect(rows).toEqual(predictions);
  });
});
