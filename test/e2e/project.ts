/** Tiny projects with a recipe, and what their runs must leave. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatRecipe, type Recipe } from '../../main/runs/recipe.ts';
import type { Report } from '../../main/runs/report.ts';
import { createTinyProject, tinyTasks } from '../support/tiny-project.ts';
import { contents } from './program.ts';

/** One engine and one thread, so that no test waits for another and `auto` does not measure. */
const engine = { id: 'onnx', threads: 1 } as const;

/** Writes models, heads, images and `recipe.yaml` into `folder`; returns the path of the recipe. */
export async function writeProject(
  folder: string,
  methods?: readonly object[],
  changes: Partial<Recipe> = {},
): Promise<string> {
  const { recipe } = await createTinyProject(folder, methods);
  const path = join(folder, 'recipe.yaml');
  await writeFile(path, formatRecipe({ ...recipe, engine, ...changes }));
  return path;
}

export const dataOf = (folder: string): string[] =>
  tinyTasks.map((task) => join(folder, 'data', `${task}.json`));

/** The one run of a project. */
export async function onlyRun(project: string): Promise<string> {
  const runs = await readdir(join(project, 'runs'));
  if (runs.length !== 1) throw new Error(`the project has ${runs.length} runs`);
  return join(project, 'runs', runs[0] ?? '');
}

/** What must be the same whenever a recipe is run: everything but the files that hold times. */
export async function comparable(run: string): Promise<Record<string, string>> {
  const { 'run.json': _record, 'timings.jsonl': _timings, ...files } = await contents(run);
  return files;
}

export async function readReport(run: string): Promise<Report> {
  return JSON.parse(await readFile(join(run, 'report.json'), 'utf8')) as Report;
}

/** Predicted classes of a method of a run, by task. */
export async function readPredictions(
  run: string,
  method: string,
): Promise<Record<string, number[]>> {
  const text = await readFile(join(run, 'predictions', `${method}.json`), 'utf8');
  const { tasks } = JSON.parse(text) as { tasks: Record<string, { predicted: number[] }> };
  return Object.fromEntries(
    Object.entries(tasks).map(([task, { predicted }]) => [task, predicted]),
  );
}

/** Accuracies of a method of a report, by task. */
export function accuracyOf(report: Report, id: string): Readonly<Record<string, number>> {
  const method = report.methods.find((each) => each.id === id);
  if (method === undefined) throw new Error(`the report has no method "${id}"`);
  return method.accuracy;
}
