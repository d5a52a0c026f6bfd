import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it, test } from 'vitest';
import { readSpriteSheet } from '../../../main/data/sprite-sheet.ts';
import { randomStream } from '../../../main/lib/random.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const folder = await temporaryFolder();
const normalisation = { mean: [0, 0, 0], deviation: [1, 1, 1] } as const;
const tile = 4;
const description = {
  schema: 1,
  task: 'shapes',
  title: 'Shapes',
  split: 'test',
  classes: ['round', 'square', 'other'],
  tile,
  columns: 3,
  count: 7,
  sheets: ['sheet.png'],
  labels: [0, 1, 2, 0, 1, 2, 0],
  synthetic: true,
};
const random = randomStream('sheet');
const pixels = Uint8Array.from({ length: 9 * tile * tile * 3 }, () => Math.floor(256 * random()));

/** Writes the first rows of tiles as one image. */
async function writeSheet(name: string, rows = 3): Promise<void> {
  const raw = { width: 3 * tile, height: rows * tile, channels: 3 } as const;
  const image = sharp(pixels.subarray(0, rows * 3 * tile * tile * 3), { raw });
  const encoded = name.endsWith('.webp') ? image.webp({ lossless: true }) : image.png();
  await encoded.toFile(join(folder, name));
}
await writeSheet('sheet.png');

let files = 0;
async function describeAs(changes: object): Promise<string> {
  const path = join(folder, `set-${files++}.json`);
  await writeFile(path, JSON.stringify({ ...description, ...changes }));
  return path;
}
const read = async (changes: object = {}) =>
  readSpriteSheet(await describeAs(changes), normalisation);

/** Image i of a 3-column sheet, cut out by hand. */
function tileOf(i: number, columns = 3): number[] {
  const [left, top] = [(i % columns) * tile, Math.floor(i / columns) * tile];
  return Array.from({ length: tile * tile * 3 }, (_, at) => {
    const [x, y, channel] = [Math.floor(at / 3) % tile, Math.floor(at / 3 / tile), at % 3];
    return pixels[((top + y) * columns * tile + left + x) * 3 + channel]!;
  });
}

describe('a sprite sheet', () => {
  it('is cut into its images', async () => {
    const set = await read();
    expect(set.images.store).toMatchObject({ size: tile, count: 7 });
    const wanted = Array.from({ length: 7 }, (_, i) => tileOf(i)).flat();
    expect([...set.images.store.pixels]).toEqual(wanted);
    expect([...set.labels]).toEqual(description.labels);
    expect(set).toMatchObject({
      classNames: description.classes,
      title: 'Shapes',
      split: 'test',
      synthetic: true,
      groups: undefined,
    });
    expect(set.images).toMatchObject({ task: 'shapes', normalisation });
    expect(set.images).not.toHaveProperty('labels');
  });

  it('may be WebP, and may go on in another image', async () => {
    await writeSheet('part.webp', 1);
    const set = await read({ sheets: ['part.webp', 'sheet.png'], groups: [5, 5, 5, 6, 6, 6, 6] });
    const wanted = [0, 1, 2, 0, 1, 2, 3].flatMap((i) => tileOf(i));
    expect([...set.images.store.pixels]).toEqual(wanted);
    expect(set.groups).toEqual([5, 5, 5, 6, 6, 6, 6]);
  });

  test.each([
    ['grey', (image: Sharp) => image.greyscale().toColourspace('b-w')],
    ['with transparency', (image: Sharp) => image.ensureAlpha(0.5)],
    ['of a palette', (image: Sharp) => image.png({ palette: true })],
    ['with 16 bits', (image: Sharp) => image.toColourspace('rgb16')],
  ])('may be %s', async (kind, change) => {
    const name = `${kind.replaceAll(' ', '-')}.png`;
    const raw = { width: 12, height: 12, channels: 3 } as const;
    const flat = Buffer.alloc(12 * 12 * 3, 200);
    await change(sharp(flat, { raw })).png().toFile(join(folder, name));
    const { store } = (await read({ sheets: [name] })).images;
    expect(store.pixels).toHaveLength(7 * tile * tile * 3);
    for (const value of store.pixels) expect(Math.abs(value - 200)).toBeLessThanOrEqual(2);
  });
});

describe('data.invalid', () => {
  test.each<[string, object, RegExp]>([
    ['a later schema', { schema: 2 }, /schema/],
    ['a task that cannot name a file', { task: 'Shapes!' }, /task/],
    ['no title', { title: undefined }, /title/],
    ['no classes', { classes: [] }, /classes/],
    ['no tile size', { tile: 0 }, /tile/],
    ['tiles too large', { tile: 2000 }, /tile/],
    ['no columns', { columns: 0 }, /columns/],
    ['half an image', { count: 6.5 }, /count/],
    ['a negative count', { count: -1 }, /count/],
    ['no sheet', { sheets: [] }, /sheets/],
    ['a sheet elsewhere', { sheets: ['../sheet.png'] }, /sheets/],
    ['a sheet in another folder', { sheets: ['/etc/sheet.png'] }, /sheets/],
    ['a sheet of another format', { sheets: ['sheet.svg'] }, /sheets/],
    ['labels that are text', { labels: ['0'] }, /labels/],
    ['a negative label', { labels: [0, 1, 2, 0, 1, 2, -1] }, /labels/],
    ['labels missing', { labels: [0, 1] }, /2 labels for 7 images/],
    ['a label that names no class', { labels: [0, 1, 2, 3, 1, 2, 0] }, /label 3 names no class/],
    ['another number of columns', { columns: 4 }, /12×12 pixels, not 4 columns of 4/],
    ['tiles of another size', { tile: 5, columns: 2 }, /12×12 pixels/],
    [
      'rows cut off',
      { tile: 6, columns: 2, count: 5, labels: [0, 1, 2, 0, 1] },
      /hold 4 images of 5/,
    ],
    ['groups of another length', { groups: [1, 2] }, /groups/],
  ])('%s', async (_what, changes, message) => {
    const error = await expectFailure(read(changes), 'data.invalid');
    expect(error.what).toMatch(message);
  });

  test('a file that is not JSON', async () => {
    const path = await describeAs({});
    await writeFile(path, '{"schema":');
    const error = await expectFailure(readSpriteSheet(path, normalisation), 'data.invalid');
    expect(error.where).toBe(path);
  });

  test('a list', async () => {
    const path = await describeAs({});
    await writeFile(path, '[]');
    await expectFailure(readSpriteSheet(path, normalisation), 'data.invalid');
  });

  test('more images than memory holds', async () => {
    const count = 600_000;
    const labels = new Array<number>(count).fill(0);
    const changes = { tile: 1024, columns: 1, count, labels };
    const error = await expectFailure(read(changes), 'data.invalid');
    expect(error.what).toMatch(/12×12 pixels|memory|images/);
  });
});

describe('data.unreadable', () => {
  test('a missing description', async () => {
    const path = join(folder, 'nowhere.json');
    const error = await expectFailure(readSpriteSheet(path, normalisation), 'data.unreadable');
    expect(error.where).toBe(path);
  });

  test('a missing image', async () => {
    const error = await expectFailure(read({ sheets: ['none.png'] }), 'data.unreadable');
    expect(error.where).toMatch(/none\.png$/);
  });

  test('an image that is none', async () => {
    await writeFile(join(folder, 'text.png'), 'hello');
    await expectFailure(read({ sheets: ['text.png'] }), 'data.unreadable');
  });
});

describe('data.image_truncated', () => {
  test.each([0.2, 0.5, 0.9])('an image cut at %d of its length', async (share) => {
    await writeSheet('cut.png');
    const path = join(folder, 'cut.png');
    await truncate(path, Math.floor((await readFile(path)).length * share));
    await expectFailure(read({ sheets: ['cut.png'] }), 'data.image_truncated');
  });
});

test('data.empty: a set without images', async () => {
  const error = await expectFailure(read({ count: 0, labels: [] }), 'data.empty');
  expect(error.what).toContain('shapes');
});
