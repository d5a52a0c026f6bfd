/** Image sets of every kind, opened by path: with labels to measure on, or the images alone. */
import { stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { ImageCache } from './image-cache.ts';
import type { ImageSet, Normalisation } from './images.ts';
import type { LabelledSet } from './labelled.ts';
import type { Preprocessing } from './preprocessing.ts';
import { readImages } from './read-images.ts';
import { classified } from './sources/classes.ts';
import { openSource } from './sources/open.ts';
import type { ImageSource } from './sources/source.ts';
import { describeSpriteSheet, readSpriteSheet } from './sprite-sheet.ts';

export interface SetOptions {
  /** Task id. */
  readonly task: string;
  /** Classes of the task in order, where they are known by name; those of the set otherwise. */
  readonly classNames?: readonly string[] | undefined;
  readonly normalisation: Normalisation;
  /** Asked of sets whose images are not stored at the size of the encoder. */
  readonly preprocessing: () => Promise<Preprocessing>;
  readonly cache?: ImageCache;
}

/** Throws what the readers of image sets throw, `data.labels_missing` and `data.classes_differ`. */
export async function openLabelledSet(path: string, options: SetOptions): Promise<LabelledSet> {
  const { task, normalisation, classNames } = options;
  const sheet = await spriteSheetAt(path);
  if (sheet !== undefined) {
    const set = await readSpriteSheet(sheet, normalisation);
    return { ...set, images: { ...set.images, task } };
  }
  const source = await openSource(path);
  const classes = classified(source, classNames, path);
  return {
    images: await imagesOf(source, path, options),
    ...classes,
    groups: undefined,
    title: source.title,
    split: 'test',
    synthetic: false,
  };
}

/** The images at `path`, whether they have labels or not. Throws what the readers of image sets throw. */
export async function openImages(path: string, options: SetOptions): Promise<ImageSet> {
  const { task, normalisation } = options;
  const sheet = await spriteSheetAt(path);
  if (sheet === undefined) return imagesOf(await openSource(path), path, options);
  const { store } = (await readSpriteSheet(sheet, normalisation)).images;
  return { task, store, normalisation };
}

async function imagesOf(
  source: ImageSource,
  path: string,
  { task, normalisation, preprocessing, cache = new ImageCache() }: SetOptions,
): Promise<ImageSet> {
  const stored = await source.images(cache);
  const store = await readImages(stored, await preprocessing(), path, cache);
  return { task, store, normalisation };
}

/** What an image set says of itself, without any image being decoded. */
export interface SetDescription {
  readonly title: string;
  /** In words. */
  readonly kind: string;
  readonly count: number;
  readonly classNames: readonly string[];
  /** Class index of each image; undefined for a set without labels. */
  readonly labels: ArrayLike<number> | undefined;
  /** Width and height of images that are not resized any more; undefined for those that are. */
  readonly tile: number | undefined;
  readonly synthetic: boolean;
  readonly description: string;
  readonly licences: readonly string[];
}

/**
 * Describes the set at `path`, its classes as those of its task where they are given. Throws what opening it
 * throws, but for images that cannot be decoded.
 */
export async function describeImageSet(
  path: string,
  classNames?: readonly string[],
): Promise<SetDescription> {
  const sheet = await spriteSheetAt(path);
  if (sheet !== undefined) {
    const described = await describeSpriteSheet(sheet);
    return { ...described, kind: 'sprite sheet', count: described.labels.length };
  }
  const source = await openSource(path);
  const { title, kind, count, labels } = source;
  const plain = { synthetic: false, description: '', licences: [], tile: undefined };
  if (labels === undefined) return { title, kind, count, classNames: [], labels, ...plain };
  return { title, kind, count, ...classified(source, classNames, path), ...plain };
}

/** Describes the images at `path` alone, whether they have labels or not. Throws what `describeImageSet` throws of files. */
export async function describeImages(
  path: string,
): Promise<Pick<SetDescription, 'kind' | 'count' | 'tile'>> {
  if ((await spriteSheetAt(path)) !== undefined) return describeImageSet(path);
  const { kind, count } = await openSource(path);
  return { kind, count, tile: undefined };
}

/** The description of the sprite sheet at `path`: a JSON file, or the test.json of a folder. */
export async function spriteSheetAt(path: string): Promise<string | undefined> {
  if (extname(path) === '.json') return path;
  const inFolder = join(path, 'test.json');
  const found = await stat(inFolder).catch(() => undefined);
  return found?.isFile() === true ? inFolder : undefined;
}
