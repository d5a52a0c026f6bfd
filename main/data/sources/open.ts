/** Which kind of image set lies at a path. */
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { AppError } from '../../lib/errors.ts';
import { readImageList } from './csv.ts';
import { unreadableSource } from './errors.ts';
import { isIdxImagesName, readIdx } from './idx.ts';
import { readImageFolder } from './image-folder.ts';
import { readParquet } from './parquet.ts';
import type { ImageSource } from './source.ts';

interface Reader {
  readonly matches: (name: string) => boolean;
  readonly read: (path: string) => Promise<ImageSource>;
}

const readers: readonly Reader[] = [
  { matches: (name) => extname(name) === '.parquet', read: readParquet },
  { matches: isIdxImagesName, read: readIdx },
  { matches: (name) => ['.csv', '.tsv'].includes(extname(name)), read: readImageList },
];

/** What is taken of a folder with several parts of a data set. */
const test = /(^|[^a-z])(test|t10k)([^a-z]|$)/i;

/**
 * The image set at `path`: a folder of class folders or of images, a Parquet file, the images of an IDX pair,
 * a CSV list, or a folder with one of these. Throws `data.unrecognised` and what the readers throw.
 */
export async function openSource(path: string): Promise<ImageSource> {
  const found = await stat(path).catch((cause: unknown) => {
    throw unreadableSource(path, cause);
  });
  if (!found.isDirectory()) return readFile(path);
  for (const folder of [path, join(path, 'data')]) {
    const names = await readdir(folder).catch(() => []);
    const file = chooseFile(names, folder);
    if (file !== undefined) return readFile(join(folder, file));
  }
  return readImageFolder(path);
}

async function readFile(path: string): Promise<ImageSource> {
  const reader = readers.find(({ matches }) => matches(path));
  if (reader !== undefined) return reader.read(path);
  throw new AppError('data.unrecognised', {
    what: 'this is no image set of a kind that can be read',
    where: path,
    hint: 'choose a folder of images, a .parquet, a .csv, an images-idx3-ubyte file or the .json of a sprite sheet',
  });
}

/** The file of a folder that is the set: the only one, or the only one for testing. */
function chooseFile(names: readonly string[], where: string): string | undefined {
  const files = names.filter((name) => readers.some(({ matches }) => matches(name)));
  // Of a set in several files the first stands for all.
  const whole = files.filter((name) => !/-(?!00000)\d{5}-of-\d{5}/.test(name)).sort();
  const forTest = whole.filter((name) => test.test(name));
  const [first, second] = forTest.length > 0 ? forTest : whole;
  if (first === undefined || second === undefined) return first;
  throw new AppError('data.unrecognised', {
    what: `there are several image sets here: ${(forTest.length > 0 ? forTest : whole).join(', ')}`,
    where,
    hint: 'choose one of the files',
  });
}
