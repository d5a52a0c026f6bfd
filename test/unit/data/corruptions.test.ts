import { describe, expect, it, test } from 'vitest';
import {
  constantsFor,
  corruptImage,
  corruptImages,
  corruptions,
  type CorruptionChoice,
} from '../../../main/data/corruptions/corruptions.ts';
import { imageNoise } from '../../../main/data/corruptions/noise.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import { randomStream } from '../../../main/lib/random.ts';

const size = 32;
const random = randomStream('corruptions');
/** Soft blotches, so that blurs and resizing have something to change. */
const picture = Uint8Array.from({ length: size * size * 3 }, (_, i) => {
  const [y, x] = [Math.floor(i / 3 / size), Math.floor(i / 3) % size];
  return 128 + 90 * Math.sin(x / (3 + (i % 3))) * Math.cos(y / 4) + 20 * random();
});
const at = (severity: number, kind: string): CorruptionChoice => ({
  kind,
  severity,
  constants: 'by-size',
});
const of = { seed: 3, task: 'letters', index: 7 };

function distance(a: Uint8Array, b: Uint8Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length);
}

describe.each(corruptions.map(({ id }) => id))('%s', (kind) => {
  it('is the same for equal arguments, and leaves its input alone', async () => {
    const before = picture.slice();
    const once = await corruptImage(picture, size, at(3, kind), of);
    expect(await corruptImage(picture, size, at(3, kind), of)).toEqual(once);
    expect(picture).toEqual(before);
    expect(once).toHaveLength(picture.length);
  });

  it('changes more at severity 5 than at severity 1', async () => {
    const [mild, strong] = await Promise.all(
      [1, 5].map(async (severity) =>
        distance(picture, await corruptImage(picture, size, at(severity, kind), of)),
      ),
    );
    expect(mild).toBeGreaterThan(0.5);
    expect(strong).toBeGreaterThan(1.2 * mild!);
  });

  it('works at any image size', async () => {
    const tiny = picture.subarray(0, 6 * 6 * 3);
    expect(await corruptImage(tiny, 6, at(5, kind), of)).toHaveLength(tiny.length);
  });
});

const seeded = ['motion_blur', 'impulse_noise', 'gaussian_noise', 'spatter'];
test.each(seeded)('%s is another for another seed, task or image', async (kind) => {
  const own = await corruptImage(picture, size, at(5, kind), of);
  for (const other of [{ seed: 4 }, { task: 'kana' }, { index: 8 }]) {
    expect(await corruptImage(picture, size, at(5, kind), { ...of, ...other })).not.toEqual(own);
  }
});

describe('the noise', () => {
  it('is uniform, and normal with variance 1', () => {
    const noise = imageNoise('moments');
    const mean = (values: Float64Array) => values.reduce((a, b) => a + b, 0) / values.length;
    const uniforms = noise.uniforms(40_000);
    const normals = noise.normals(40_000);
    // Four standard errors.
    expect(Math.abs(mean(uniforms) - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / 40_000));
    expect(Math.abs(mean(normals))).toBeLessThan(4 / 200);
    expect(Math.abs(mean(normals.map((x) => x * x)) - 1)).toBeLessThan((4 * Math.SQRT2) / 200);
    expect(Math.abs(mean(normals.map((x) => x ** 4)) - 3)).toBeLessThan((4 * Math.sqrt(96)) / 200);
  });

  it('flips the share of channel values that impulse noise asks for', async () => {
    const grey = new Uint8Array(64 * 64 * 3).fill(128);
    const found = await corruptImage(
      grey,
      64,
      { ...at(5, 'impulse_noise'), constants: 'cifar' },
      of,
    );
    const count = (wanted: number) => found.reduce((n, value) => n + Number(value === wanted), 0);
    const share = (count(0) + count(255)) / grey.length;
    expect(Math.abs(share - 0.07)).toBeLessThan(4 * Math.sqrt((0.07 * 0.93) / grey.length));
    expect(Math.abs(count(0) - count(255))).toBeLessThan(4 * Math.sqrt(0.07 * grey.length));
  });
});

test('constants are those of the nearer image width, lengths scaled, unless one set is named', () => {
  expect(constantsFor(32, 'by-size')).toEqual({ set: 'cifar', scale: 1 });
  expect(constantsFor(64, 'by-size')).toEqual({ set: 'cifar', scale: 2 });
  expect(constantsFor(224, 'by-size')).toEqual({ set: 'imagenet', scale: 1 });
  expect(constantsFor(336, 'by-size')).toEqual({ set: 'imagenet', scale: 1.5 });
  expect(constantsFor(224, 'cifar')).toEqual({ set: 'cifar', scale: 1 });
});

describe('a set of images', () => {
  const bytes = 16 * 16 * 3;
  const store = { size: 16, count: 3, pixels: picture.slice(0, 3 * bytes) };
  const choice = at(2, 'gaussian_noise');
  const clean = (index: number) => store.pixels.subarray(index * bytes, (index + 1) * bytes);
  const wanted = (index: number) => corruptImage(clean(index), 16, choice, { ...of, index });

  it('has every image corrupted by its own index', async () => {
    const found = await corruptImages(store, choice, of);
    if (!('pixels' in found)) throw new Error('decoded images stay decoded');
    for (let index = 0; index < 3; index++) {
      expect(found.pixels.subarray(index * bytes, (index + 1) * bytes)).toEqual(
        await wanted(index),
      );
    }
    expect({ ...found, pixels: undefined }).toEqual({ ...store, pixels: undefined });
  });

  it('is corrupted as it is read where images are decoded on demand', async () => {
    const read = (indices: ArrayLike<number>) =>
      Promise.resolve(Uint8Array.from(Array.from(indices).flatMap((index) => [...clean(index)])));
    const found = await corruptImages({ size: 16, count: 3, identity: 'clean', read }, choice, of);
    if ('pixels' in found) throw new Error('nothing is decoded before it is read');
    expect(found.identity).not.toBe('clean');
    expect(await found.read([2, 0])).toEqual(
      Uint8Array.from([...(await wanted(2)), ...(await wanted(0))]),
    );
  });

  it('can be cancelled', async () => {
    const cancelled = corruptImages(store, choice, of, AbortSignal.abort());
    await expect(cancelled).rejects.toThrow(CancelledError);
  });
});
