/** Image sets stored as sprite sheets: one JSON with labels and sources beside one or more images. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';
import { decodeImage } from './decode-image.ts';
import type { Normalisation, PixelStore } from './images.ts';
import type { LabelledSet } from './labelled.ts';

const count = z.number().int().nonnegative();
const fileName = z
  .string()
  .regex(/^[\w-]+\.(webp|png)$/, 'must be a plain .webp or .png file name');

const sheetSchema = z.object({
  schema: z.literal(1),
  task: z.string().regex(/^[a-z][a-z0-9_-]*$/),
  title: z.string(),
  split: z.string(),
  classes: z.array(z.string()).min(1),
  tile: count.min(1).max(1024),
  columns: count.min(1),
  count,
  sheets: z.array(fileName).min(1),
  labels: z.array(count),
  groups: z.array(count).optional(),
  synthetic: z.boolean(),
  description: z.string().optional(),
  sources: z.array(z.object({ licence: z.string().optional() })).optional(),
});

/** Bytes of the pixels of one set. */
const largestSet = 2 ** 32;

type Sheet = z.infer<typeof sheetSchema>;

/** What the description of a set says, without its pixels. */
export interface SpriteSheetDescription {
  readonly task: string;
  readonly title: string;
  readonly classNames: readonly string[];
  /** Class index of each image. */
  readonly labels: readonly number[];
  /** Width and height of an image. */
  readonly tile: number;
  readonly synthetic: boolean;
  readonly description: string;
  /** Of its sources, each once. */
  readonly licences: readonly string[];
}

/** Checks the description at `path` as `readSpriteSheet` does, and decodes no image. */
export async function describeSpriteSheet(path: string): Promise<SpriteSheetDescription> {
  const sheet = await readDescription(path);
  const licences = (sheet.sources ?? []).flatMap(({ licence }) => licence ?? []);
  return {
    task: sheet.task,
    title: sheet.title,
    classNames: sheet.classes,
    labels: sheet.labels,
    tile: sheet.tile,
    synthetic: sheet.synthetic,
    description: sheet.description ?? '',
    licences: [...new Set(licences)],
  };
}

/**
 * Reads the set described by the JSON file at `path`. Throws `data.unreadable`, `data.invalid` or
 * `data.empty`.
 */
export async function readSpriteSheet(
  path: string,
  normalisation: Normalisation,
): Promise<LabelledSet<PixelStore>> {
  const sheet = await readDescription(path);
  const store = await decode(sheet, path);
  return {
    images: { task: sheet.task, store, normalisation },
    labels: Int32Array.from(sheet.labels),
    groups: sheet.groups,
    classNames: sheet.classes,
    title: sheet.title,
    split: sheet.split,
    synthetic: sheet.synthetic,
  };
}

async function readDescription(path: string): Promise<Sheet> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new AppError('data.unreadable', {
      what: 'the description of an image set cannot be read',
      where: path,
      hint: 'check the path of the task in the recipe',
      cause,
    });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid(path, 'the file is not JSON');
  }
  const result = sheetSchema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw invalid(path, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  }
  const sheet = result.data;
  if (sheet.count === 0) {
    throw new AppError('data.empty', {
      what: `the image set of task "${sheet.task}" holds no images`,
      where: path,
      hint: 'give the task a data set with at least one image',
    });
  }
  if (sheet.labels.length !== sheet.count) {
    throw invalid(path, `${String(sheet.labels.length)} labels for ${String(sheet.count)} images`);
  }
  if (sheet.groups !== undefined && sheet.groups.length !== sheet.count) {
    throw invalid(path, `${String(sheet.groups.length)} groups for ${String(sheet.count)} images`);
  }
  if (sheet.count * sheet.tile ** 2 * 3 > largestSet) {
    throw invalid(path, `${String(sheet.count)} images of this size do not fit into memory`);
  }
  const wrong = sheet.labels.findIndex((label) => label >= sheet.classes.length);
  if (wrong !== -1) throw invalid(path, `label ${String(wrong)} names no class`);
  return sheet;
}

async function decode(sheet: Sheet, path: string): Promise<PixelStore> {
  const { tile, columns } = sheet;
  const pixels = new Uint8Array(sheet.count * tile * tile * 3);
  let next = 0;
  for (const file of sheet.sheets) {
    const sheetPath = join(dirname(path), file);
    const { width, height, pixels: decoded } = await decodeImage(sheetPath);
    if (width !== columns * tile || height % tile !== 0) {
      throw invalid(
        sheetPath,
        `the sheet is ${String(width)}×${String(height)} pixels, not ${String(columns)} columns of ${String(tile)}`,
      );
    }
    const tiles = Math.min(columns * (height / tile), sheet.count - next);
    for (let i = 0; i < tiles; i++, next++) {
      const left = (i % columns) * tile;
      const top = Math.floor(i / columns) * tile;
      for (let row = 0; row < tile; row++) {
        const from = ((top + row) * width + left) * 3;
        pixels.set(decoded.subarray(from, from + tile * 3), (next * tile + row) * tile * 3);
      }
    }
  }
  if (next !== sheet.count) {
    throw invalid(path, `the sheets hold ${String(next)} images of ${String(sheet.count)}`);
  }
  return { size: tile, count: sheet.count, pixels };
}

function invalid(where: string, what: string): AppError {
  return new AppError('data.invalid', {
    what,
    where,
    hint: 'correct the description or rebuild the image set',
  });
}
