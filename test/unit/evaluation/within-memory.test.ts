import { expect, it } from 'vitest';
import { createWemoe } from '../../../main/adaptation/wemoe.ts';
import type { SmallerBatch } from '../../../main/engine/in-rows.ts';
import type { Engine } from '../../../main/engine/engine.ts';
import { compileEncoder } from '../../../main/evaluation/evaluate.ts';
import { initialValues } from '../../../main/models/merged-model.ts';
import { onnx } from '../../support/adaptation-step.ts';
import { smallDevice } from '../../support/small-device.ts';
import { expertSet, pickImages, randomImages } from '../../support/tiny-models.ts';
import { expectClose } from '../../support/values.ts';

const model = createWemoe(expertSet(2), { depth: 2, lambda: 0.3, seed: 1 });
const images = randomImages(7);

async function encode(
  engine: Engine,
  reduction: 'per-sample' | 'batch-mean' = 'per-sample',
  batches = [images],
) {
  const smaller: SmallerBatch[] = [];
  const encoder = await compileEncoder(engine, model, initialValues(model), {
    batch: 7,
    reduction,
    onSmaller: async (change) => void smaller.push(change),
  });
  try {
    const found = [];
    for (const batch of batches) found.push(await encoder.encode(batch));
    return { found, smaller };
  } finally {
    await encoder.dispose();
  }
}

it('divides images among more calls until they fit, with the same features and routing', async () => {
  const [expected] = (await encode(onnx)).found;
  const three = pickImages(images, 0, 3);
  const { found, smaller } = await encode(smallDevice(2), 'per-sample', [images, three]);
  // The second batch is divided without another try.
  expect(smaller).toEqual([
    { from: 7, to: 4 },
    { from: 4, to: 2 },
  ]);
  const [all, first] = found;
  expectClose(all!.features, expected!.features, 1e-5);
  expect(all!.routing).toHaveLength(expected!.routing.length);
  all!.routing.forEach((lambdas, layer) => {
    expectClose(lambdas, expected!.routing[layer]!, 1e-5);
  });
  expectClose(first!.features, pickImages(expected!.features, 0, 3), 1e-5);
});

it('hears nothing of a device with room enough', async () => {
  expect((await encode(smallDevice(7))).smaller).toEqual([]);
});

it('gives up where one image does not fit, and where images share their routing weights', async () => {
  await expect(encode(smallDevice(0))).rejects.toMatchObject({ code: 'engine.out_of_memory' });
  await expect(encode(smallDevice(4), 'batch-mean')).rejects.toMatchObject({
    code: 'engine.out_of_memory',
    what: 'full: 7 images share their routing weights under batch-mean, so they cannot be divided',
  });
});
