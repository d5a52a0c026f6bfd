/**
 * Trees of image files: one folder for each class, as torchvision's ImageFolder reads them (classes in plain
 * order of their names, images as stored), or one flat folder of images without labels.
 */
import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { AppError } from '../../lib/errors.ts';
import { emptySource, unreadableSource } from './errors.ts';
import type { ImageSource, StoredImages } from './source.ts';

/** What torchvision takes for an image; some of them are refused when they are decoded. */
const extensions = new Set([
  '.jpg',
  '.jpeg',
  '.png',
  '.ppm',
  '.bmp',
  '.pgm',
  '.tif',
  '.tiff',
  '.webp',
]);
/** Folder names that say which part of a data set this is, not which class. */
const splits = new Set(['train', 'training', 'test', 'testing', 'val', 'valid', 'validation']);

/** Files looked at at the same time. */
const atOnce = 64;

function isImageName(name: string): boolean {
  return !name.startsWith('.') && extensions.has(extname(name).toLowerCase());
}

/** Throws `data.unreadable`, `data.empty`, `data.invalid` or `data.unrecognised`. */
export async function readImageFolder(folder: string): Promise<ImageSource> {
  const entries = await entriesOf(folder);
  const classNames = await foldersIn(folder, entries);
  const loose = entries.filter((entry) => isImageName(entry.name)).map(({ name }) => name);
  if (classNames.length === 0) return flatFolder(folder, loose.sort(plainOrder));
  refuseMistaken(folder, classNames, loose);
  const paths: string[] = [];
  const labels: number[] = [];
  for (const [label, name] of classNames.entries()) {
    for (const path of await imagesBelow(join(folder, name), name)) {
      paths.push(path);
      labels.push(label);
    }
  }
  if (paths.length === 0) throw emptySource(folder, 'put the images of each class in its folder');
  return {
    kind: 'image folder',
    title: basename(folder),
    count: paths.length,
    classNames,
    labels: Int32Array.from(labels),
    images: () => storedFiles(folder, paths),
  };
}

function flatFolder(folder: string, names: readonly string[]): ImageSource {
  if (names.length === 0) {
    throw emptySource(
      folder,
      'choose a folder of images, or one with a folder of images for each class',
    );
  }
  return {
    kind: 'folder of images',
    title: basename(folder),
    count: names.length,
    classNames: [],
    labels: undefined,
    images: () => storedFiles(folder, names),
  };
}

/** What is taken for labels only by mistake. */
function refuseMistaken(
  folder: string,
  classNames: readonly string[],
  loose: readonly string[],
): void {
  const [first = ''] = classNames;
  if (classNames.every((name) => splits.has(name.toLowerCase()))) {
    throw new AppError('data.unrecognised', {
      what: `the folders here are parts of a data set (${classNames.join(', ')}), not classes`,
      where: folder,
      hint: `choose one of them, such as ${join(folder, first)}`,
    });
  }
  if (loose[0] !== undefined) {
    throw new AppError('data.invalid', {
      what: `there are images beside the class folders, such as "${loose[0]}"`,
      where: folder,
      hint: 'put every image into the folder of its class, or all of them into one folder without labels',
    });
  }
  if (classNames.length === 1) {
    throw new AppError('data.unrecognised', {
      what: `there is only one class folder, "${first}"`,
      where: folder,
      hint: `choose ${join(folder, first)} if the classes lie in it, or if its images have no labels`,
    });
  }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw unreadableSource(folder, cause);
  }
}

/** Names of the folders among `entries`, links to folders among them. */
async function foldersIn(folder: string, entries: readonly Dirent[]): Promise<string[]> {
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const linked = entry.isSymbolicLink()
      ? await stat(join(folder, entry.name)).catch(() => undefined)
      : undefined;
    if (entry.isDirectory() || linked?.isDirectory() === true) names.push(entry.name);
  }
  return names.sort(plainOrder);
}

/** Paths of all images below a class folder, each beginning with `prefix`: files before folders. */
async function imagesBelow(folder: string, prefix: string): Promise<string[]> {
  const entries = await entriesOf(folder);
  const names = entries.map(({ name }) => name).filter(isImageName);
  const paths = names.sort(plainOrder).map((name) => `${prefix}/${name}`);
  for (const entry of entries.sort((a, b) => plainOrder(a.name, b.name))) {
    // Links below a class are not followed: they could lead in circles.
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    for (const path of await imagesBelow(join(folder, entry.name), `${prefix}/${entry.name}`)) {
      paths.push(path);
    }
  }
  return paths;
}

/** The order of Python's `sorted`: by code points, whatever the language of the machine. */
function plainOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Image files at `paths` below `folder`. Throws `data.unreadable` for one that is gone. */
export async function storedFiles(folder: string, paths: readonly string[]): Promise<StoredImages> {
  const hash = createHash('sha256');
  for (let start = 0; start < paths.length; start += atOnce) {
    const part = paths.slice(start, start + atOnce);
    const facts = part.map(async (path) => {
      const file = join(folder, path);
      const { size, mtimeMs } = await stat(file).catch((cause: unknown) => {
        throw unreadableSource(file, cause);
      });
      return JSON.stringify([path, size, mtimeMs]);
    });
    for (const fact of await Promise.all(facts)) hash.update(fact);
  }
  return {
    count: paths.length,
    grey: undefined,
    upright: false,
    locate: (index) => {
      const file = join(folder, paths[index] ?? '');
      return { file, offset: 0, length: undefined, name: file };
    },
    identity: hash.digest('hex'),
  };
}
