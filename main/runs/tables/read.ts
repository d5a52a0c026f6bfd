/** Runs as tables need them, from their folders. */
import { readRunRecipe, readRunReport, type RunFolder } from '../run-folder.ts';
import type { TableRun } from './table.ts';

/** Throws `run.unfinished`, and what damaged runs throw. */
export async function readTableRun(run: RunFolder): Promise<TableRun> {
  const report = await readRunReport(run);
  return { id: run.id, report, recipe: (await readRunRecipe(run)).recipe };
}
