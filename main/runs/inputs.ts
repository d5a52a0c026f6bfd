/** Everything a recipe names, read and checked against each other before anything is computed. */
import { checkpointFingerprint } from '../checkpoints/fingerprint.ts';
import { openExpert, openModel } from '../checkpoints/open-model.ts';
import { createHash } from 'node:crypto';
import type { StoredCheckpoint } from '../checkpoints/checkpoint.ts';
import type { LabelledSet } from '../data/labelled.ts';
import type { Normalisation } from '../data/images.ts';
import { openLabelledSet } from '../data/labelled-set.ts';
import { readNormalisation, readPreprocessing } from '../data/preprocessing.ts';
import { AppError, throwIfCancelled } from '../lib/errors.ts';
import { checkCompatible } from '../merging/compatibility.ts';
import type { Head } from '../models/head.ts';
import { featureSize, type VisionConfig } from '../models/vision-config.ts';
import { loadVisionModel, type VisionModel } from '../models/vision-model.ts';
import { headPlace, headReader, promptsOf } from './heads.ts';
import type { Recipe } from './recipe.ts';

export interface TaskInput {
  readonly id: string;
  readonly set: LabelledSet;
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
    const normalisation = await readNormalisation(recipe.base);
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
        const set = await loadSet(task, base.config, recipe.base);
        const head = await heads.read(
          task.head,
          { id: task.id, features: featureSize(base.config) },
          signal,
        );
        requireClasses(task, head, set);
        const input = { id: task.id, set, head };
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

function taskFingerprint({ set, head }: TaskInput): string {
  const { store } = set.images;
  const bytes = ({ buffer, byteOffset, byteLength }: Int32Array | Float32Array) =>
    new Uint8Array(buffer, byteOffset, byteLength);
  return createHash('sha256')
    .update(JSON.stringify([set.classNames, set.images.normalisation]))
    .update('pixels' in store ? store.pixels : store.identity)
    .update(bytes(set.labels))
    .update(bytes(head.weight.data))
    .digest('hex');
}

/** The labelled images of a task, checked against the encoder. */
async function loadSet(
  { id, data, head }: Recipe['tasks'][number],
  { imageSize }: VisionConfig,
  base: string,
): Promise<LabelledSet> {
  const set = await openLabelledSet(data, {
    task: id,
    classNames: typeof head === 'string' ? undefined : (await promptsOf(head)).classes,
    preprocessing: () => readPreprocessing(base, imageSize),
    normalisation: await readNormalisation(base),
  });
  const { size } = set.images.store;
  if (size !== imageSize) {
    throw new AppError('data.invalid', {
      what: `the images of task "${id}" are ${String(size)} pixels wide, the encoder takes ${String(imageSize)}`,
      where: data,
      hint: 'rebuild the image set at the size of the encoder',
    });
  }
  return set;
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
