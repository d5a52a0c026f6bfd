import { copyFile, mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { describeImageSet, openImages } from '../../../main/data/labelled-set.ts';
import { idxBytes, redOf, writeIdx, writePictures } from '../../support/image-sets.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { folder, open, optionsFor, parquet, place, redsOf, redsTo } from './image-sets.ts';

describe('an image folder', () => {
  it('has a class for each folder, in plain order of their names', async () => {
    const root = await place();
    const paths = [
      '10/b.png',
      '10/deep/a.jpg',
      '9/x.webp',
      'Zebra/1.png',
      'ant/1.png',
      'ant/2.PNG',
    ];
    await writePictures(root, paths);
    await writeFile(join(root, 'readme.txt'), 'no image');
    await writeFile(join(root, '10', '.DS_Store'), 'no image');
    await mkdir(join(root, 'zzz'));
    const set = await open(root);
    expect(set.classNames).toEqual(['10', '9', 'Zebra', 'ant', 'zzz']);
    expect([...set.labels]).toEqual([0, 0, 1, 2, 3, 3]);
    expect(set.images.store.count).toBe(6);
    const reds = await redsOf(set.images.store);
    reds.forEach((red, i) => expect(Math.abs(red - redOf(i))).toBeLessThanOrEqual(1));
    expect(set.title).toBe(basename(root));
    expect(set.images).not.toHaveProperty('labels');
  });

  it('gives images in any order, more than once too', async () => {
    const root = await place();
    await writePictures(
      root,
      Array.from({ length: 20 }, (_, i) => `c${i % 2}/${String(i).padStart(2, '0')}.png`),
    );
    const { store } = (await open(root)).images;
    // Images of the first class come first: its numbers are even.
    expect(await redsOf(store, [19, 0, 0, 10])).toEqual([19, 0, 0, 1].map(redOf));
  });

  it('without class folders gives images to adapt to, and no labels', async () => {
    const root = await place();
    await writePictures(root, ['1.png', '2.png', '3.png']);
    expect(await redsOf((await openImages(root, optionsFor())).store)).toEqual(redsTo(3));
    await expectFailure(open(root), 'data.labels_missing');
    expect(await describeImageSet(root)).toMatchObject({
      kind: 'folder of images',
      count: 3,
      classNames: [],
      labels: undefined,
    });
  });

  test.each<[string, string[], Parameters<typeof expectFailure>[1], RegExp]>([
    ['nothing', [], 'data.empty', /no images/],
    [
      'parts of a data set',
      ['train/a/1.png', 'test/a/1.png'],
      'data.unrecognised',
      /parts of a data set/,
    ],
    ['one class', ['all/1.png'], 'data.unrecognised', /only one class folder, "all"/],
    [
      'images beside the classes',
      ['a/1.png', 'b/1.png', '1.png'],
      'data.invalid',
      /beside the class folders/,
    ],
  ])('with %s is refused', async (_what, paths, code, message) => {
    const root = await place();
    await writePictures(root, paths);
    expect((await expectFailure(open(root), code)).what).toMatch(message);
  });

  it('with folders and no image in them is empty', async () => {
    const root = await place();
    await mkdir(join(root, 'a'));
    await mkdir(join(root, 'b'));
    await expectFailure(open(root), 'data.empty');
  });

  it('that is not there is unreadable', async () => {
    await expectFailure(open(join(folder, 'nowhere')), 'data.unreadable');
  });
});

describe('classes by name', () => {
  const named = async (...names: string[]) => {
    const root = await place();
    await writePictures(
      root,
      names.map((name) => `${name}/1.png`),
    );
    return root;
  };

  it('are those of the task, whatever their order and spelling', async () => {
    const root = await named('Bird_of-Prey', 'ant', 'cat');
    const set = await open(root, ['cat', 'bird of prey', 'ant']);
    expect(set.classNames).toEqual(['cat', 'bird of prey', 'ant']);
    expect([...set.labels]).toEqual([1, 2, 0]);
  });

  it('go by their order where names do not say more', async () => {
    expect([...(await open(await named('00', '01'), ['stop', 'go'])).labels]).toEqual([0, 1]);
    const worded = await open(await named('AnnualCrop', 'Forest'), ['annual crop land', 'forest']);
    expect(worded.classNames).toEqual(['annual crop land', 'forest']);
  });

  test.each([
    ['extra', ['ant', 'bee', 'cat'], ['ant', 'cat'], /does not have: "bee"/],
    ['missing', ['ant', 'cat'], ['ant', 'bee', 'cat'], /missing: "bee"/],
    [
      'both',
      ['ant', 'bee'],
      ['cat', 'ant'],
      /does not have: "bee"; classes that are missing: "cat"/,
    ],
    ['more, all unknown', ['x', 'y', 'z'], ['ant', 'bee'], /has 3 classes, the task has 2/],
    ['the same twice', ['a b', 'a_b', 'c'], ['a b', 'c', 'd'], /missing: "d"/],
  ])('are refused: %s', async (_what, folders, wanted, message) => {
    const error = await expectFailure(open(await named(...folders), wanted), 'data.classes_differ');
    expect(error.what).toMatch(message);
  });
});

describe('an IDX pair', () => {
  test.each([false, true])('gives grey images and their labels (gzipped: %s)', async (zipped) => {
    const root = await place();
    const path = await writeIdx(root, [0, 100, 255, 7], [3, 0, 1, 1], { zipped });
    // The file itself, or the folder it lies in.
    for (const given of [path, root]) {
      const set = await open(given);
      expect([...set.labels]).toEqual([3, 0, 1, 1]);
      expect(set.classNames).toEqual(['0', '1', '2', '3']);
      expect(await redsOf(set.images.store)).toEqual([0, 100, 255, 7]);
    }
  });

  it('of a folder with both parts is the one for testing', async () => {
    const root = await place();
    await writeIdx(root, [1, 2, 3], [0, 0, 0], { prefix: 'train' });
    await writeIdx(root, [4], [0]);
    expect(await redsOf((await open(root)).images.store)).toEqual([4]);
  });

  it('may have images alone', async () => {
    const path = await writeIdx(await place(), [9], undefined);
    await expectFailure(open(path), 'data.labels_missing');
    expect(await redsOf((await openImages(path, optionsFor())).store)).toEqual([9]);
  });

  test.each<[string, Buffer, RegExp]>([
    ['nothing in it', Buffer.alloc(0), /begins with nothing, images with 0x00000803/],
    ['labels in it', idxBytes([12], new Uint8Array(12)), /begins with 0x00000801/],
    ['a header cut off', idxBytes([1, 3, 4], []).subarray(0, 9), /cut off: 9 bytes/],
    [
      'images cut off',
      idxBytes([2, 3, 4], new Uint8Array(20)),
      /cut off: 36 bytes, its header says 40/,
    ],
    ['more than it says', idxBytes([2, 3, 4], new Uint8Array(25)), /too long/],
    ['images without width', idxBytes([2, 3, 0], []), /0×3 pixels/],
    ['huge images', idxBytes([1, 65536, 65536], []), /65536×65536 pixels/],
  ])('with %s is data.idx_invalid', async (_what, bytes, message) => {
    const path = join(await place(), 'x-images-idx3-ubyte');
    await writeFile(path, bytes);
    expect((await expectFailure(open(path), 'data.idx_invalid')).what).toMatch(message);
  });

  it('with no images is empty', async () => {
    await expectFailure(open(await writeIdx(await place(), [], [])), 'data.empty');
  });

  test.each([
    ['another number of labels', idxBytes([3], [0, 0, 0]), /3 labels for 2 images/],
    ['labels cut off', idxBytes([3], [0, 0]), /cut off/],
    ['images for labels', idxBytes([2, 1, 1], [0, 0]), /labels with 0x00000801/],
  ])('with %s is data.idx_invalid', async (_what, bytes, message) => {
    const root = await place();
    const path = await writeIdx(root, [1, 2], undefined);
    await writeFile(join(root, 't10k-labels-idx1-ubyte'), bytes);
    expect((await expectFailure(open(path), 'data.idx_invalid')).what).toMatch(message);
  });

  it('whose compression is damaged is data.idx_invalid', async () => {
    const path = await writeIdx(await place(), [1, 2], [0, 1], { zipped: true });
    await truncate(path, (await stat(path)).size - 12);
    const error = await expectFailure(open(path), 'data.idx_invalid');
    expect(error.what).toMatch(/cannot be decompressed|cut off/);
  });
});

describe('a list of images', () => {
  const list = async (text: string | Buffer, paths = ['a.png', 'b.png', 'c d.png']) => {
    const root = await place();
    await writePictures(root, paths);
    await writeFile(join(root, 'list.csv'), text);
    return join(root, 'list.csv');
  };

  test.each([
    ['names', 'path,label\na.png,dog\nb.png,cat\nc d.png,dog\n', ['cat', 'dog'], [1, 0, 1]],
    ['numbers', 'label,path\r\n2,a.png\r\n0,b.png\r\n2,c d.png', ['0', '1', '2'], [2, 0, 2]],
    [
      'quotes',
      '"path","class"\n"a.png","x, ""y"""\nb.png,b\n\n"c d.png",b\n',
      ['b', 'x, "y"'],
      [1, 0, 0],
    ],
    [
      'semicolons',
      '\ufeffWidth;Filename;ClassId\n5;a.png;1\n5;b.png;0\n5;c d.png;1\n',
      ['0', '1'],
      [1, 0, 1],
    ],
    ['tabs', 'Image\tTarget\na.png\tu\nb.png\tv\nc d.png\tu\n', ['u', 'v'], [0, 1, 0]],
  ])('may have %s', async (_what, text, classNames, labels) => {
    const path = await list(text);
    const set = await open(path);
    expect(set.classNames).toEqual(classNames);
    expect([...set.labels]).toEqual(labels);
    expect(await redsOf(set.images.store)).toEqual(redsTo(3));
  });

  it('may have whole paths, and no labels', async () => {
    const path = await list('path\na.png\n');
    await writeFile(path, `path\n${join(path, '..', 'b.png')}\n`);
    expect(await redsOf((await openImages(path, optionsFor())).store)).toEqual([redOf(1)]);
    await expectFailure(open(path), 'data.labels_missing');
  });

  test.each<[string, string | Buffer, RegExp]>([
    ['no column of paths', 'name,label\na,b\n', /names no column of paths \(it has: name, label\)/],
    ['a short row', 'path,label\na.png\n', /row 2 has 1 fields, the header has 2/],
    ['a long row', 'path,label\na.png,b\na.png,b,c\n', /row 3 has 3 fields/],
    ['an empty path', 'path,label\n,b\n', /row 2 has no path/],
    ['an empty label', 'path,label\na.png,\n', /row 2 has no label/],
    ['an open quote', 'path,label\n"a.png,b\n', /never closed/],
    ['text after a quote', 'path,label\n"a"b,c\n', /goes on after a closing quote/],
    ['a label beyond all bounds', 'path,label\na.png,999999\n', /a label is 999999/],
    ['bytes that are no text', Buffer.of(0xff, 0xfe, 0x00), /not UTF-8/],
    ['a zero in a path', 'path,label\na\0.png,b\n', /row 2 has no path/],
  ])('with %s is data.csv_invalid', async (_what, text, message) => {
    expect((await expectFailure(open(await list(text)), 'data.csv_invalid')).what).toMatch(message);
  });

  it('with a header alone is empty', async () => {
    await expectFailure(open(await list('path,label\n')), 'data.empty');
  });

  it('of an image that is not there is unreadable', async () => {
    const error = await expectFailure(open(await list('path,label\nz.png,a\n')), 'data.unreadable');
    expect(error.where).toMatch(/z\.png$/);
  });
});

describe('a Parquet file', () => {
  it('of the Hub has class names, and images turned upright', async () => {
    const set = await open(`${parquet}hub.parquet`);
    expect(set.classNames).toEqual(['cat', 'dog', 'owl']);
    expect([...set.labels]).toEqual([0, 1, 2, 0, 1, 2, 0]);
    expect(await redsOf(set.images.store)).toEqual(redsTo(7));
    const mapped = await open(`${parquet}hub.parquet`, ['Owl', 'Dog', 'Cat']);
    expect([...mapped.labels]).toEqual([2, 1, 0, 2, 1, 0, 2]);
  });

  it('may come in several', async () => {
    for (const name of ['test-00000-of-00002.parquet', 'test-00001-of-00002.parquet']) {
      const set = await open(parquet + name);
      expect([...set.labels]).toEqual([0, 1, 2, 0, 1, 2, 0]);
      expect(await redsOf(set.images.store)).toEqual(redsTo(7));
    }
  });

  it('may lie in a folder, of which the part for testing is taken', async () => {
    const root = await place();
    await mkdir(join(root, 'data'));
    for (const i of [0, 1]) {
      const name = `test-0000${i}-of-00002.parquet`;
      await copyFile(parquet + name, join(root, 'data', name));
    }
    await copyFile(`${parquet}snappy.parquet`, join(root, 'data', 'train-00000-of-00001.parquet'));
    expect((await open(root)).images.store.count).toBe(7);
    await rm(join(root, 'data', 'test-00001-of-00002.parquet'));
    const error = await expectFailure(open(root), 'data.parquet_invalid');
    expect(error.what).toMatch(/"test-00001-of-00002.parquet" is not beside it/);
  });

  test.each(['snappy', 'zstd', 'gzip', 'brotli', 'lz4'])(
    'may be compressed by %s',
    async (codec) => {
      const set = await open(`${parquet}${codec}.parquet`);
      expect(set.classNames).toEqual(['a', 'b']);
      expect([...set.labels]).toEqual([1, 0, 1, 0]);
      expect(await redsOf(set.images.store)).toEqual(redsTo(4));
    },
  );

  test.each(['unlabelled', 'plain'])('may be %s', async (name) => {
    const { store } = await openImages(`${parquet}${name}.parquet`, optionsFor());
    expect(await redsOf(store)).toEqual(redsTo(store.count));
    await expectFailure(open(`${parquet}${name}.parquet`), 'data.labels_missing');
  });

  test.each<[string, Parameters<typeof expectFailure>[1], RegExp]>([
    ['no-images', 'data.parquet_invalid', /no column of images \(its columns: text, label\)/],
    ['reference', 'data.parquet_invalid', /row 0 holds no image, only a reference/],
    ['negative', 'data.parquet_invalid', /label of row 1 is -1/],
    ['empty', 'data.empty', /no images/],
  ])('that is %s is %s', async (name, code, message) => {
    expect((await expectFailure(open(`${parquet}${name}.parquet`), code)).what).toMatch(message);
  });

  test.each([0, 4, 100, 2000])('cut to %i bytes is data.parquet_invalid', async (length) => {
    const path = join(await place(), 'cut.parquet');
    await writeFile(path, (await readFile(`${parquet}hub.parquet`)).subarray(0, length));
    await expectFailure(open(path), 'data.parquet_invalid');
  });
});

describe('what is none', () => {
  it('is data.unrecognised', async () => {
    const path = join(await place(), 'notes.txt');
    await writeFile(path, 'hello');
    expect((await expectFailure(open(path), 'data.unrecognised')).where).toBe(path);
  });

  it('is data.unrecognised where it could be several', async () => {
    const root = await place();
    await writeFile(join(root, 'a.csv'), 'path\n');
    await writeFile(join(root, 'b.csv'), 'path\n');
    expect((await expectFailure(open(root), 'data.unrecognised')).what).toMatch(/a\.csv, b\.csv/);
  });
});

it('describes itself without decoding', async () => {
  expect(await describeImageSet(`${parquet}hub.parquet`)).toMatchObject({
    kind: 'Parquet',
    count: 7,
    classNames: ['cat', 'dog', 'owl'],
    tile: undefined,
  });
});
