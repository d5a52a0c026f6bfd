/** A task of a recipe: its expert, its head, and its images. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { modelPath } from '../hub/local.ts';
import { headSchema, withHeadPaths, type HeadEntry } from './heads.ts';

/** Ids name files, columns and keys, so they stay plain. */
export const idSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'letters, digits, "_", "-" and "." only, 64 at most');
export const pathSchema = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^[^\0]*$/, 'a path without control characters');

export const taskSchema = z.strictObject({
  id: idSchema,
  expert: pathSchema,
  head: headSchema,
  /** The labelled images that accuracy is measured on. */
  data: pathSchema,
  /** Images to adapt to, whose labels are not read if they have any; those of `data` unless others are named. */
  unlabelled: pathSchema.optional(),
});
type RecipeTask = z.output<typeof taskSchema>;

/** The task in fixed key order. */
export function orderedTask({ id, expert, head, data, unlabelled }: RecipeTask): RecipeTask {
  return {
    id,
    expert,
    head: orderedHead(head),
    data,
    ...(unlabelled === undefined ? {} : { unlabelled }),
  };
}

function orderedHead(head: HeadEntry): HeadEntry {
  if (typeof head === 'string') return head;
  const { prompts, model } = head;
  return {
    prompts:
      typeof prompts === 'string'
        ? prompts
        : { classes: prompts.classes, templates: prompts.templates },
    ...(model === undefined ? {} : { model }),
  };
}

/** The task with its paths made absolute, seen from the folder the recipe lies in. */
export function resolvedTask(task: RecipeTask, folder: string): RecipeTask {
  const { expert, head, data, unlabelled } = task;
  const at = (written: string) => resolve(folder, written);
  return {
    ...task,
    expert: modelPath(folder, expert),
    head: withHeadPaths(head, at, (written) => modelPath(folder, written)),
    data: at(data),
    ...(unlabelled === undefined ? {} : { unlabelled: at(unlabelled) }),
  };
}
