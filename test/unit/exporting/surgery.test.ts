/** Exports of a merge with modules for tasks: what stands in the files gives the logits, worked out by hand. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openSafetensors } from '../../../main/checkpoints/safetensors.ts';
import { openOnnxFile } from '../../../main/engine/onnx/file.ts';
import { createOnnxEngine } from '../../../main/engine/onnx/engine.ts';
import { exportModel } from '../../../main/exporting/export.ts';
import { loadExported } from '../../../main/exporting/load.ts';
import { modelOutputs } from '../../../main/exporting/verify.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { logits } from '../../../main/models/head.ts';
import { staticModel } from '../../../main/models/merged-model.ts';
import { expectClose } from '../../support/values.ts';
import { exportSource, images, named, temporaryFolder } from './fixture.ts';

const folder = temporaryFolder();
const engine = createOnnxEngine({ threads: 1 });
const source = exportSource('surgery');
const batch = images(4);

/** f − Up ReLU(Down f), row by row. */
function operated(features: Tensor, down: Tensor, up: Tensor): Tensor {
  const [rank = 0, width = 0] = down.shape;
  const data = features.data.slice();
  for (let start = 0; start < data.length; start += width) {
    for (let r = 0; r < rank; r++) {
      let sum = 0;
      for (let j = 0; j < width; j++) sum += down.data[r * width + j]! * features.data[start + j]!;
      if (sum < 0) continue;
      for (let j = 0; j < width; j++) data[start + j]! -= up.data[j * rank + r]! * sum;
    }
  }
  return { shape: features.shape, data };
}

/** Features of the merge alone. */
async function plainFeatures(): Promise<Tensor> {
  const merge = staticModel({ config: source.model.config, weights: source.model.constants });
  const outputs = await modelOutputs(engine, { model: merge, values: new Map() }, [], batch);
  return outputs.get('features')!;
}

it('writes the merge as an ordinary encoder and beside it a module for each task', async () => {
  const target = join(folder(), 'safetensors');
  await exportModel(source, 'safetensors', target, { engine });
  const config = JSON.parse(await readFile(join(target, 'config.json'), 'utf8')) as {
    model_type: string;
    mergewright: { surgery: unknown };
  };
  expect(config.model_type).toBe('clip_vision_model');
  expect(config.mergewright.surgery).toEqual({ rank: 3 });
  const card = await readFile(join(target, 'README.md'), 'utf8');
  expect(card).toContain('Which task an image is of must be known');
  expect(card).toContain('torch.relu(features @ module["digits.down.weight"].T)');

  const file = await openSafetensors(join(target, 'surgery.safetensors'));
  const features = await plainFeatures();
  const loaded = await loadExported(target);
  const found = await modelOutputs(engine, loaded, loaded.tasks, batch);
  expectClose(found.get('features')!, features, 1e-5);
  for (const { head } of source.tasks) {
    const down = await file.read(`${head.task}.down.weight`);
    const up = await file.read(`${head.task}.up.weight`);
    const shape = [4, head.weight.shape[0]!];
    const wanted = { shape, data: logits(head, operated(features, down, up)) };
    expectClose(found.get(`logits/${head.task}`)!, wanted, 1e-5);
    const without = { shape, data: logits(head, features) };
    expect(() => expectClose(without, wanted, 1e-3)).toThrow();
  }
  await file.close();
});

it('has the module of a task behind its logits in ONNX', async () => {
  const target = join(folder(), 'onnx');
  await exportModel(source, 'onnx', target, { engine });
  const file = await openOnnxFile(join(target, 'model.onnx'), { threads: 1 });
  const found = await file.run({ images: batch });
  const wanted = await modelOutputs(engine, named(source), source.tasks, batch);
  expectClose(found.get('features')!, await plainFeatures(), 1e-5);
  for (const [name, tensor] of wanted) expectClose(found.get(name)!, tensor, 1e-5, name);
  await file.dispose();
});

it('gives tasks that the merge has not seen the features as they are', async () => {
  const [first, ...rest] = source.tasks;
  const unseen = { ...first!, head: { ...first!.head, task: 'unseen' } };
  const target = join(folder(), 'unseen');
  await exportModel({ ...source, tasks: [unseen, ...rest] }, 'safetensors', target, { engine });
  const loaded = await loadExported(target);
  const found = await modelOutputs(engine, loaded, loaded.tasks, batch);
  const shape = [4, unseen.head.weight.shape[0]!];
  const wanted = { shape, data: logits(unseen.head, await plainFeatures()) };
  expectClose(found.get('logits/unseen')!, wanted, 1e-5);
});

it('refuses modules that are not of the rank that is said', async () => {
  const target = join(folder(), 'damaged');
  await exportModel(source, 'safetensors', target, { engine });
  const path = join(target, 'config.json');
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('"rank": 3', '"rank": 4'));
  await expect(loadExported(target)).rejects.toMatchObject({ code: 'export.unreadable' });
});
