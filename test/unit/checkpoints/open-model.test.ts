/** Models as people have them: OpenCLIP's layout, and adapters of a base model. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StoredCheckpoint } from '../../../main/checkpoints/checkpoint.ts';
import { openExpert, openModel } from '../../../main/checkpoints/open-model.ts';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';

const projection = 'visual_projection.weight';
const golden = new URL('../../golden/', import.meta.url).pathname;

async function valuesOf(checkpoint: StoredCheckpoint): Promise<Map<string, readonly number[]>> {
  const values = new Map<string, readonly number[]>();
  for (const name of [...checkpoint.tensors.keys()].sort()) {
    values.set(name, [...(await checkpoint.read(name)).data]);
  }
  await checkpoint.close();
  return values;
}

test('an OpenCLIP model has the names and values of the same model in the Hugging Face layout', async () => {
  const found = await valuesOf(await openModel(join(golden, 'clip/open_clip.safetensors')));
  const wanted = await valuesOf(await openModel(join(golden, 'clip/hugging_face.safetensors')));
  expect(found.size).toBeGreaterThan(10);
  for (const [name, values] of found) expect(values, name).toEqual(wanted.get(name));
});

test('any other model is opened as it is', async () => {
  const path = join(golden, 'adapters/base.safetensors');
  expect(await valuesOf(await openModel(path))).toEqual(await valuesOf(await openCheckpoint(path)));
});

test('the folder of an adapter is the base with the adapter added', async () => {
  const base = join(golden, 'adapters/base.safetensors');
  const expert = await openExpert(join(golden, 'adapters/linear'), base);
  const wanted = await openCheckpoint(join(golden, 'adapters/linear.safetensors'));
  expect(expert.warnings.join()).toContain('LoRA adapter');
  const [found, merged] = [await valuesOf(expert), await valuesOf(wanted)];
  for (const [name, values] of merged) {
    values.forEach((value, i) => expect(found.get(name)?.[i]).toBeCloseTo(value, 6));
  }
});

test('an adapter that does not fit is refused, and without a base it says that it is one', async () => {
  const other = join(golden, 'clip/hugging_face.safetensors');
  const adapter = join(golden, 'adapters/linear');
  await expect(openExpert(adapter, other)).rejects.toMatchObject({
    code: expect.stringMatching(/^adapter\./) as string,
  });
  const alone = await openExpert(adapter, undefined);
  expect(alone.warnings.join()).toContain('not a model');
  await alone.close();
});

test('a vision encoder without projection has that of its base, if the base has one', async () => {
  const base = join(golden, 'zero-shot/openai-style');
  const lone = join(golden, 'vit/quick-gelu');
  const expert = await openExpert(lone, base);
  expect(expert.warnings.join()).toContain('projection is that of the base');
  const alone = await openModel(lone);
  expect([...expert.tensors.keys()]).toEqual([...alone.tensors.keys(), projection]);
  const whole = await openModel(base);
  expect(await expert.read(projection)).toEqual(await whole.read(projection));
  expect(expert.locate(projection)).toEqual(whole.locate(projection));
  const [name = ''] = alone.tensors.keys();
  expect(await expert.read(name)).toEqual(await alone.read(name));
  for (const checkpoint of [expert, alone, whole]) await checkpoint.close();

  for (const [path, of] of [
    [lone, lone],
    [base, base],
    [lone, undefined],
  ] as const) {
    const same = await openExpert(path, of);
    expect(same.warnings.join()).not.toContain('projection');
    await same.close();
  }
});
