/** How long methods took in earlier runs of a project: the best basis there is for an estimate. */
import { existsSync } from 'node:fs';
import { AppError } from '../lib/errors.ts';
import { readJsonLines } from '../lib/durable.ts';
import { resolveParameters } from '../lib/parameters.ts';
import { allParameters, catalogueEntry, methodCatalogue } from './catalogue.ts';
import { timingSchema } from './events.ts';
import { seenTasks } from './protocol.ts';
import { resolveRecipePaths, type Recipe, type RecipeMethod } from './recipe.ts';
import type { Report } from './report.ts';
import { listRuns, readRunRecipe, readRunReport, type RunFolder } from './run-folder.ts';

/** Seconds of one method in an earlier run, and what they depend on. */
export interface EarlierTime {
  readonly seconds: number;
  readonly steps: number;
  readonly conditions: string;
}

/** Parameters that change what is learned but not how much is computed. */
const timeless = new Set(['steps', 'learning_rate', 'schedule', 'lambda', 'clamp', 'diversity']);

/** Times of all finished methods of the runs of a project; damaged runs are passed over. */
export async function earlierTimes(project: string): Promise<readonly EarlierTime[]> {
  const times: EarlierTime[] = [];
  for (const { run, status } of await listRuns(project).catch(() => [])) {
    if (status !== 'done') continue;
    try {
      times.push(...(await timesOf(run)));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return times;
}

async function timesOf(run: RunFolder): Promise<EarlierTime[]> {
  const { recipe, folder } = await readRunRecipe(run);
  const { engine, methods } = await readRunReport(run);
  const stopped = new Set(methods.flatMap(({ id, stoppedAt }) => (stoppedAt === undefined ? [] : id)));
  const lines = existsSync(run.timingsPath) ? await readJsonLines(run.timingsPath) : [];
  const timings = lines.flatMap((line) => timingSchema.safeParse(line).data ?? []);
  // Of a resumed method only the last part was timed.
  if (timings.some(({ type }) => type === 'run.resumed')) return [];
  return timings.flatMap(({ type, method, seconds }) => {
    const entry = recipe.methods.find(({ id }) => id === method);
    if (type !== 'method.finished' || seconds === undefined || entry === undefined) return [];
    if (stopped.has(entry.id) || !methodCatalogue.ids.includes(entry.method)) return [];
    const conditions = conditionsOf(entry, resolveRecipePaths(recipe, folder), engine);
    return [{ seconds, steps: stepsOf(entry), conditions }];
  });
}

/** Everything that the time of a method depends on, but its steps. `recipe` has absolute paths. */
export function conditionsOf(
  entry: RecipeMethod,
  recipe: Recipe,
  { title, threads, precision }: Pick<Report['engine'], 'title' | 'threads' | 'precision'>,
): string {
  const found = catalogueEntry(entry.method);
  const parameters = allParameters(found, entry.parameters, seenTasks(recipe).length, entry.id);
  return JSON.stringify([
    entry.method,
    Object.entries(parameters).filter(([key]) => !timeless.has(key)),
    recipe.base,
    recipe.tasks.map(({ data }) => data),
    recipe.unseen ?? [],
    recipe.adaptation.batch,
    recipe.evaluation.batch,
    recipe.monitor?.images ?? 0,
    title,
    threads,
    precision,
  ]);
}

export function stepsOf(entry: RecipeMethod): number {
  const found = catalogueEntry(entry.method);
  if (found.kind !== 'adaptive') return 0;
  const parameters = resolveParameters(found.method, entry.parameters, entry.id);
  return found.method.settings(parameters).steps;
}
