/** What the Project view shows of a task's head, from headers and class names alone: no text is encoded. */
import { resolve } from 'node:path';
import type { TaskCard } from '../api/project.ts';
import { openModel } from '../checkpoints/open-model.ts';
import { openCheckpoint } from '../checkpoints/open.ts';
import { modelPath, modelTitle } from '../hub/local.ts';
import { AppError } from '../lib/errors.ts';
import { headClasses } from '../models/head.ts';
import { textArchitecture } from '../models/text-model.ts';
import { headPlace, promptsOf, withHeadPaths, type HeadEntry } from '../runs/heads.ts';
import { projectPath } from '../runs/project.ts';
import { attempt, type Attempt } from './attempt.ts';
import { failureOf } from './failures.ts';

type HeadCard = NonNullable<TaskCard['head']>;

/** What a head has to fit; undefined where it is not known. */
export interface HeadSurroundings {
  readonly folder: string;
  readonly task: string;
  readonly base: string | undefined;
  /** Of the image encoder. */
  readonly features: number | undefined;
  /** Of the images. */
  readonly classes: number | undefined;
}

/** A head as a project writes it, with its paths absolute. Throws what `modelPath` throws. */
export function absoluteHead(folder: string, entry: HeadEntry): HeadEntry {
  return withHeadPaths(
    entry,
    (path) => resolve(folder, path),
    (path) => modelPath(folder, path),
  );
}

/** The card of a head as the project writes it. */
export async function headCard(
  entry: HeadEntry | null,
  surroundings: HeadSurroundings,
): Promise<Attempt<HeadCard>> {
  if (entry === null) return { problem: null };
  const { folder, classes } = surroundings;
  const found = await attempt(async () => absoluteHead(folder, entry));
  const { value: absolute } = found;
  if (absolute === undefined) return { problem: found.problem };
  const read = await (typeof absolute === 'string'
    ? fileCard(absolute, surroundings)
    : zeroShotCard(absolute, surroundings));
  if (read.value === undefined || read.problem !== null) return read;
  if (classes === undefined || read.value.classes === classes) return read;
  const mismatch = new AppError('model.shape_mismatch', {
    what: `the head has ${read.value.classes} classes, the images have ${classes}`,
    where: headPlace(absolute),
    hint: 'choose the head that was made for this data set',
  });
  return { ...read, problem: failureOf(mismatch) ?? null };
}

function fileCard(
  path: string,
  { folder, task, features }: HeadSurroundings,
): Promise<Attempt<HeadCard>> {
  return attempt(async () => {
    const checkpoint = await openCheckpoint(path);
    try {
      const classes = headClasses(checkpoint, task, features);
      return { classes, location: projectPath(folder, path), zeroShot: null };
    } finally {
      await checkpoint.close();
    }
  });
}

/** The names can be shown and edited where the CLIP model cannot be read, too. */
async function zeroShotCard(
  entry: Exclude<HeadEntry, string>,
  { base, features }: HeadSurroundings,
): Promise<Attempt<HeadCard>> {
  const model = entry.model ?? base;
  const card = await attempt(async () => {
    const { classes, templates } = await promptsOf(entry);
    const named = entry.model === undefined ? null : modelTitle(entry.model);
    const zeroShot = { classes: [...classes], templates: [...templates], model: named };
    const { prompts } = entry;
    const names = typeof prompts === 'string' ? `class names of ${prompts}` : 'own class names';
    return { classes: classes.length, location: names, zeroShot };
  });
  if (card.problem !== null || model === undefined) return card;
  const fits = await attempt(() => requireTextEncoder(model, features));
  return { ...card, problem: fits.problem };
}

async function requireTextEncoder(path: string, features: number | undefined): Promise<void> {
  const checkpoint = await openModel(path);
  try {
    const { projectionSize } = textArchitecture(checkpoint);
    if (features === undefined || projectionSize === features) return;
    throw new AppError('model.shape_mismatch', {
      what: `the text encoder gives ${projectionSize} features, the image encoder ${features}`,
      where: path,
      hint: 'choose the CLIP model that the base model comes from',
    });
  } finally {
    await checkpoint.close();
  }
}
