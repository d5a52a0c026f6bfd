/** Runs of a project that an experiment has already. */
import { resolve } from 'node:path';
import { AppError } from '../../lib/errors.ts';
import { recipeHash } from '../recipe.ts';
import { listRuns, readRunRecipe, type RunSummary } from '../run-folder.ts';
import type { ExperimentRun } from './expand.ts';

/**
 * For each run the one of the project with the same recipe, whose paths are relative to the same folder; one that is
 * done before others, and the latest of these. Damaged runs are passed over.
 */
export async function formerRuns(
  project: string,
  wanted: readonly ExperimentRun[],
  folder: string,
): Promise<(RunSummary | undefined)[]> {
  const found = new Map<string, RunSummary>();
  for (const summary of await listRuns(project)) {
    const key = await keyOf(summary);
    if (key === undefined) continue;
    if (summary.status === 'done' || found.get(key)?.status !== 'done') found.set(key, summary);
  }
  return wanted.map(({ recipe }) => found.get(`${recipeHash(recipe)} ${resolve(folder)}`));
}

async function keyOf({ run }: RunSummary): Promise<string | undefined> {
  try {
    const { recipe, folder } = await readRunRecipe(run);
    return `${recipeHash(recipe)} ${resolve(folder)}`;
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}
