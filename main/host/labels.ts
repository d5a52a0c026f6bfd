/** Labels and class names of a task as a run saw them: of the image set that its recipe names. */
import { describeImageSet } from '../data/labelled-set.ts';
import { classNamesOf } from '../runs/heads.ts';
import { resolveRecipePaths } from '../runs/recipe.ts';
import { readRunRecipe, type RunFolder } from '../runs/run-folder.ts';
import { noResult } from './results.ts';

export interface TaskLabels {
  /** Class index of each image. */
  readonly labels: readonly number[];
  readonly classNames: readonly string[];
}

/** Throws `run.no_result` for a task that the run does not have, and what reading the set throws. */
export async function labelsOf(run: RunFolder, task: string): Promise<TaskLabels> {
  const { recipe, folder } = await readRunRecipe(run);
  const found = resolveRecipePaths(recipe, folder).tasks.find(({ id }) => id === task);
  if (found === undefined) throw noResult(run, `there is no task "${task}"`);
  const { labels, classNames } = await describeImageSet(found.data, await classNamesOf(found.head));
  return { labels: Array.from(labels ?? []), classNames };
}
