import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { imageBatch, shuffledBatch, writeImages } from '../../../main/data/images.ts';
import { readNormalisation } from '../../../main/data/preprocessing.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const normalisation = { mean: [0.5, 0.25, 0], deviation: [0.5, 0.25, 2] } as const;

describe('a batch', () => {
  // Two images of 2×2: pixel p of image i is (100 i + 10 p, 0, 255).
  const pixels = Uint8Array.from({ length: 24 }, (_, at) => {
    const [pixel, channel] = [Math.floor(at / 3), at % 3];
    if (channel > 0) return channel === 1 ? 0 : 255;
    return 100 * Math.floor(pixel / 4) + 10 * (pixel % 4);
  });
  const set = { task: 'a', store: { size: 2, count: 2, pixels }, normalisation };

  it('holds (x/255 − mean)/deviation, channels first', async () => {
    const { shape, data } = await imageBatch(set, [1, 0]);
    expect(shape).toEqual([2, 3, 2, 2]);
    const red = (value: number) => (value / 255 - 0.5) / 0.5;
    const image = (i: number) => [
      ...[0, 10, 20, 30].map((x) => red(100 * i + x)),
      ...[-1, -1, -1, -1],
      ...[0.5, 0.5, 0.5, 0.5],
    ];
    const wanted = [...image(1), ...image(0)];
    data.forEach((x, i) => expect(x).toBeCloseTo(wanted[i]!, 6));
  });

  it('is written where it is asked for, and nowhere else', async () => {
    const target = new Float32Array(14).fill(7);
    await writeImages(set, [1], target.subarray(1, 13));
    expect([target[0], target[13]]).toEqual([7, 7]);
    expect([...target.subarray(1, 13)]).toEqual([...(await imageBatch(set, [1])).data]);
  });
});

describe('an endless stream of batches', () => {
  const epochs = (key: readonly (string | number)[], count: number, size: number, n: number) => {
    const indices = Array.from({ length: Math.ceil((n * count) / size) }, (_, step) => [
      ...shuffledBatch(key, count, size, step),
    ]).flat();
    return Array.from({ length: n }, (_, epoch) =>
      indices.slice(epoch * count, (epoch + 1) * count),
    );
  };

  test.each([
    [10, 3],
    [10, 10],
    [4, 16],
    [1, 5],
    [97, 16],
  ])('goes through %i images in batches of %i, each once an epoch', (count, size) => {
    const all = Array.from({ length: count }, (_, i) => i);
    for (const epoch of epochs(['k'], count, size, 4)) {
      expect([...epoch].sort((a, b) => a - b)).toEqual(all);
    }
  });

  it('has another order in every epoch, for every key, and for no other reason', () => {
    const [first, second] = epochs([1, 'adaptation', 'mnist'], 50, 16, 2);
    expect(second).not.toEqual(first);
    expect(epochs([1, 'adaptation', 'svhn'], 50, 16, 1)[0]).not.toEqual(first);
    expect(epochs([2, 'adaptation', 'mnist'], 50, 16, 1)[0]).not.toEqual(first);
    // Batch size and step do not matter.
    expect(epochs([1, 'adaptation', 'mnist'], 50, 7, 1)[0]).toEqual(first);
    const late = shuffledBatch([1, 'adaptation', 'mnist'], 50, 10, 5);
    expect([...late]).toEqual(second!.slice(0, 10));
  });
});

describe('preprocessor_config.json', () => {
  const folderWith = async (text: string | undefined) => {
    const folder = join(await temporaryFolder(), 'model');
    await mkdir(folder);
    await writeFile(join(folder, 'model.safetensors'), '');
    if (text !== undefined) await writeFile(join(folder, 'preprocessor_config.json'), text);
    return folder;
  };

  it('gives mean and deviation, for the folder or a file in it', async () => {
    const settings = { image_mean: [0.1, 0.2, 0.3], image_std: [1, 2, 3], do_resize: true };
    const folder = await folderWith(JSON.stringify(settings));
    const wanted = { mean: [0.1, 0.2, 0.3], deviation: [1, 2, 3] };
    expect(await readNormalisation(folder)).toEqual(wanted);
    expect(await readNormalisation(join(folder, 'model.safetensors'))).toEqual(wanted);
  });

  it('may be missing: CLIP’s values then', async () => {
    const { mean, deviation } = await readNormalisation(await folderWith(undefined));
    expect(mean).toEqual([0.48145466, 0.4578275, 0.40821073]);
    expect(deviation).toEqual([0.26862954, 0.26130258, 0.27577711]);
  });

  test.each([
    ['not JSON', '{'],
    ['nothing of use', '{}'],
    ['two channels', '{"image_mean":[0,0],"image_std":[1,1]}'],
    ['text', '{"image_mean":["0",0,0],"image_std":[1,1,1]}'],
    ['a deviation of 0', '{"image_mean":[0,0,0],"image_std":[1,0,1]}'],
    ['a negative deviation', '{"image_mean":[0,0,0],"image_std":[1,-1,1]}'],
  ])('with %s is data.invalid', async (_what, text) => {
    const error = await expectFailure(readNormalisation(await folderWith(text)), 'data.invalid');
    expect(error.where).toMatch(/preprocessor_config\.json$/);
  });
});
