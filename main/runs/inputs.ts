/** Everything a recipe names, read and checked against each other before anything is computed. */
import { checkpointFingerprint } from '../checkpoints/fingerprint.ts';
import { openExpert, openModel } from '../checkpoints/open-model.ts';
import { createHash } from 'node:crypto';
import type { StoredCheckpoint } from '../checkpoints/checkpoint.ts';
import type { LabelledSet } from '../data/labelled.ts';
import type { ImageSet, ImageStore, Normalisation } from '../data/images.ts';
import { openImages, openLabelledSet, type SetOptions } from '../data/labelled-set.ts';
import { AppError, throwIfCancelled } from '../lib/errors.ts';
import { checkCompatible } from '../merging/compatibility.ts';
import type { Head } from '../models/head.ts';
import { featureSize, type VisionConfig } from '../models/vision-config.ts';
import { loadVisionModel, type VisionModel } from '../models/vision-model.ts';
import { corruptedImages, corruptedSet } from './corrupted-set.ts';
import { classNamesOf, headPlace, headReader } from './heads.ts';
import { normalisationFor, preprocessingFor } from './preprocessing-entry.ts';
import type { Recipe } from './recipe.ts';

export interface TaskInput {
  readonly id: string;
  /** What is measured. */
  readonly set: LabelledSet;
  /** What is adapted to: the images of `set` unless the recipe names others. */
  readonly unlabelled: ImageSet;
  readonly head: Head;
}

export interface RunInputs {
  readonly baseCheckpoint: StoredCheckpoint;
  /** In recipe order. */
  readonly expertCheckpoints: readonly StoredCheckpoint[];
  readonly base: VisionModel;
  readonly experts: readonly VisionModel[];
  readonly tasks: readonly TaskInput[];
  readonly normalisation: Normalisation;
  /** SHA-256 of what was read: `base`, and `expert/<id>` and `task/<id>` (images, labels, head). */
  readonly fingerprints: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

export interface LoadProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

/** Loads the inputs of `recipe`, whose paths are already absolute. */
export async function loadInputs(
  recipe: Recipe,
  onProgress: (progress: LoadProgress) => void = () => undefined,
  signal?: AbortSignal,
): Promise<RunInputs> {
  const total = 1 + 2 * recipe.tasks.length;
  let done = 0;
  const advance = (what: string) => {
    throwIfCancelled(signal);
    onProgress({ what, done: done++, total });
  };
  const opened: StoredCheckpoint[] = [];
  const keep = (checkpoint: StoredCheckpoint) => {
    opened.push(checkpoint);
    return checkpoint;
  };
  const close = async () => {
    for (const checkpoint of opened) await checkpoint.close();
  };

  try {
    advance('base model');
    const baseCheckpoint = keep(await openModel(recipe.base));
    const base = await loadVisionModel(baseCheckpoint);
    const normalisation = await normalisationFor(recipe.base, recipe.preprocessing);
    const expertCheckpoints: StoredCheckpoint[] = [];
    for (const { expert } of recipe.tasks) {
      expertCheckpoints.push(keep(await openExpert(expert, recipe.base)));
    }
    checkCompatible(baseCheckpoint, expertCheckpoints);

    const fingerprints = new Map([['base', await checkpointFingerprint(baseCheckpoint, { signal })]]);
    const experts: VisionModel[] = [];
    for (const [index, { id }] of recipe.tasks.entries()) {
      advance(`expert ${id}`);
      const checkpoint = expertCheckpoints[index];
      if (checkpoint === undefined) throw new Error('expert without a checkpoint');
      experts.push(await loadVisionModel(checkpoint));
      fingerprints.set(`expert/${id}`, await checkpointFingerprint(checkpoint, { signal }));
    }
    const tasks: TaskInput[] = [];
    const heads = headReader(recipe.base);
    try {
      for (const task of recipe.tasks) {
        advance(`images of ${task.id}`);
        const options = await setOptions(task, base.config, recipe);
        const clean = await openLabelledSet(task.data, options);
        requireSize(task.id, clean.images.store, base.config, task.data);
        const set = await corruptedSet(clean, recipe, task.id, signal);
        const unlabelled = await loadUnlabelled(task, set, base.config, options, recipe, signal);
        // Encoding the prompts of hundreds of classes takes a while, the first time.
        if (typeof task.head !== 'string') onProgress({ what: `head of ${task.id}`, done, total });
        const head = await heads.read(
          task.head,
          { id: task.id, features: featureSize(base.config) },
          signal,
        );
        requireClasses(task, head, set);
        const input = { id: task.id, set, unlabelled, head };
        fingerprints.set(`task/${task.id}`, taskFingerprint(input));
        tasks.push(input);
      }
    } finally {
      await heads.close();
    }
    onProgress({ what: 'inputs', done: total, total });
    return {
      baseCheckpoint,
      expertCheckpoints,
      base,
      experts,
      tasks,
      normalisation,
      fingerprints,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function taskFingerprint({ set, unlabelled, head }: TaskInput): string {
  const contents = (store: ImageStore) => ('pixels' in store ? store.pixels : store.identity);
  const bytes = ({ buffer, byteOffset, byteLength }: Int32Array | Float32Array) =>
    new Uint8Array(buffer, byteOffset, byteLength);
  const hash = createHash('sha256')
    .update(JSON.stringify([set.classNames, set.images.normalisation]))
    .update(contents(set.images.store))
    .update(bytes(set.labels))
    .update(bytes(head.weight.data));
  if (unlabelled !== set.images) hash.update(contents(unlabelled.store));
  return hash.digest('hex');
}

async function setOptions(
  { id, head }: Recipe['tasks'][number],
  { imageSize }: VisionConfig,
  { base, preprocessing }: Recipe,
): Promise<SetOptions> {
  return {
    task: id,
    classNames: await classNamesOf(head),
    normalisation: await normalisationFor(base, preprocessing),
    preprocessing: () => preprocessingFor(base, imageSize, preprocessing),
  };
}

async function loadUnlabelled(
  { id, unlabelled: path }: Recipe['tasks'][number],
  measured: LabelledSet,
  config: VisionConfig,
  options: SetOptions,
  recipe: Recipe,
  signal: AbortSignal | undefined,
): Promise<ImageSet> {
  if (path === undefined) return measured.images;
  const images = await openImages(path, options);
  requireSize(id, images.store, config, path);
  return corruptedImages(images, recipe, id, signal);
}

/** Sprite sheets come at one size. */
function requireSize(
  task: string,
  { size }: ImageStore,
  { imageSize }: VisionConfig,
  where: string,
): void {
  if (size === imageSize) return;
  throw new AppError('data.invalid', {
    what: `the images of task "${task}" are ${String(size)} pixels wide, the encoder takes ${String(imageSize)}`,
    where,
    hint: 'rebuild the image set at the size of the encoder',
  });
}

function requireClasses(
  { id, head: entry }: Recipe['tasks'][number],
  head: Head,
  { classNames }: LabelledSet,
): void {
  const classes = head.weight.shape[0] ?? 0;
  if (classes === classNames.length) return;
  throw new AppError('model.shape_mismatch', {
    what: `the head of task "${id}" has ${String(classes)} classes, its images have ${String(classNames.length)}`,
    where: headPlace(entry),
    hint: 'use the head that was made for this data set',
  });
}
