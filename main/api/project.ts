/** A project: the base model, experts and tasks that its runs are made of. */
import { eventIterator } from '@orpc/contract';
import { z } from 'zod';
import { call, corruptionChoice, count, failure, handle, name } from './common.ts';

/** A checkpoint as its headers describe it. */
const checkpoint = z.strictObject({
  /** Folder or file name, for reading only. */
  title: z.string(),
  location: z.string(),
  architecture: z.string(),
  dtypes: z.array(z.string()),
  parameters: count,
  bytes: count,
  tensors: count,
});
export type CheckpointCard = z.output<typeof checkpoint>;

/** Class names in the order of the labels, and templates with {} for the name. */
const prompts = z.strictObject({
  classes: z.array(z.string().trim().min(1).max(1000)).min(1).max(100_000),
  templates: z
    .array(z.string().trim().min(1).max(1000).regex(/\{\}/, 'has no {} for the class name'))
    .min(1)
    .max(1000),
});
export type PromptsToEdit = z.output<typeof prompts>;

const bundledPrompts = prompts.extend({
  id: z.string(),
  title: z.string(),
  note: z.string().nullable(),
});
export type BundledPrompts = z.output<typeof bundledPrompts>;

const task = z.strictObject({
  id: name,
  title: z.string(),
  /** Null when the checkpoint cannot be read; `problem` says why. */
  expert: checkpoint.nullable(),
  /** Why the expert cannot be merged with the base, or cannot be read. */
  problem: failure.nullable(),
  head: z
    .strictObject({
      classes: count,
      location: z.string(),
      /** What a zero-shot head is made from; null for a file. `model` is null for the base model. */
      zeroShot: prompts.extend({ model: z.string().nullable() }).nullable(),
    })
    .nullable(),
  headProblem: failure.nullable(),
  data: z
    .strictObject({
      location: z.string(),
      /** Of which kind the set is, in words: "Parquet". */
      kind: z.string(),
      images: count,
      classNames: z.array(z.string()),
      /** Images of each class. */
      classCounts: z.array(count),
      /** One image of each class, null where a class has none. */
      classExamples: z.array(count.nullable()),
      synthetic: z.boolean(),
      description: z.string(),
      licences: z.array(z.string()),
    })
    .nullable(),
  dataProblem: failure.nullable(),
  /** Images to adapt to, where they are others than those of `data`. */
  unlabelled: z.strictObject({ location: z.string(), kind: z.string(), images: count }).nullable(),
  unlabelledProblem: failure.nullable(),
});
export type TaskCard = z.output<typeof task>;

export const overview = z.strictObject({
  title: z.string(),
  location: z.string(),
  /** The bundled benchmark. */
  demo: z.boolean(),
  base: checkpoint.nullable(),
  baseProblem: failure.nullable(),
  tasks: z.array(task),
  canUndo: z.string().nullable().describe('what undo would take back, in words'),
  canRedo: z.string().nullable(),
});
export type ProjectOverview = z.output<typeof overview>;

const vectorProgress = z.strictObject({
  type: z.literal('progress'),
  done: count,
  total: count,
});
const vectorReport = z.strictObject({
  type: z.literal('report'),
  /** Ids of the tasks that could be measured, in project order; the rows of everything below. */
  tasks: z.array(name),
  /** ‖τₖ‖ and ‖τₖ‖ / ‖θ₀‖. */
  norms: z.array(z.number()),
  relativeNorms: z.array(z.number()),
  /** Names of the columns of `layerNorms`: "embeddings", "layer 0", …, "final norm". */
  layers: z.array(z.string()),
  /** ‖τₖ‖ restricted to a layer [task][layer]. */
  layerNorms: z.array(z.array(z.number())),
  /** cos(τᵢ, τⱼ) [task][task]. */
  cosine: z.array(z.array(z.number())),
});
export type VectorReport = z.output<typeof vectorReport>;

/** RGB pixels of images, one after another, rows from the top, as base64. */
const tiles = z.strictObject({ size: count, count, pixels: z.string() });

export const projectContract = {
  /** Opens the project folder behind a handle, or makes the empty or unmarked folder one. */
  open: call.input(z.strictObject({ handle })).output(overview),
  /** The open project; null when none is. */
  overview: call.output(overview.nullable()),
  setBase: call.input(z.strictObject({ handle })).output(overview),
  /** Adds one task for each checkpoint folder or file. */
  addExperts: call
    .input(z.strictObject({ handles: z.array(handle).min(1).max(64) }))
    .output(overview),
  /** Class names and templates of the tasks that come with the program. */
  bundledPrompts: call.output(z.array(bundledPrompts)),
  /** Gives a task a zero-shot head; a `model` left out stays what it was, at first the base model. */
  setZeroShotHead: call
    .input(
      z.strictObject({
        task: name,
        prompts,
        /** The bundled task they were taken from; two tasks have the same ones. */
        source: z.string().max(64).optional(),
        model: z.union([handle, z.literal('base')]).optional(),
      }),
    )
    .output(overview),
  /** Head and data of a task; what is left out stays as it is. */
  setTask: call
    .input(
      z.strictObject({
        task: name,
        head: handle.optional(),
        data: handle.optional(),
        /** Null: those of `data`, without their labels. */
        unlabelled: handle.nullable().optional(),
        title: z.string().trim().min(1).max(100).optional(),
      }),
    )
    .output(overview),
  removeTask: call.input(z.strictObject({ task: name })).output(overview),
  moveTask: call.input(z.strictObject({ task: name, to: count })).output(overview),
  undo: call.output(overview),
  redo: call.output(overview),
  /** Measures the task vectors; remembered as long as no checkpoint changes. */
  taskVectors: call.output(
    eventIterator(z.discriminatedUnion('type', [vectorProgress, vectorReport])),
  ),
  /** Screen-sized images of a task, at most 64 pixels wide. */
  /** With `corruption` as a run with this seed would corrupt them. */
  tiles: call
    .input(
      z.strictObject({
        task: name,
        images: z.array(count).max(512),
        corruption: corruptionChoice.extend({ seed: count }).optional(),
      }),
    )
    .output(tiles),
};
