/** The project folder on disk: project.json and one folder for each run. */
import { existsSync } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { syncFolder } from '../lib/durable-file.ts';
import { sweepStaleTemporaries, writeFileDurably } from '../lib/durable.ts';
import { AppError } from '../lib/errors.ts';
import { readTextFile } from '../lib/text-file.ts';
import { temporaryName } from '../lib/temporaries.ts';
import { makeFolder, openProject, readJson, writeJson } from './project.ts';
import { formatRecipe, readRecipe, type Recipe } from './recipe.ts';
import { parseReport, type Report } from './report.ts';
import { isLocked, takeLock, type RunLock } from './run-lock.ts';
export type { RunLock };

const recordSchema = z.strictObject({
  schema: z.literal(1),
  id: z.string(),
  status: z.enum(['created', 'running', 'cancelled', 'done', 'failed']),
  /** The folder the recipe's paths are relative to, itself relative to the run folder. */
  recipeFolder: z.string(),
  /** ISO 8601. */
  createdAt: z.string(),
  changedAt: z.string(),
  /** Why the run failed, or where it was cancelled. */
  message: z.string().optional(),
});
export type RunRecord = z.output<typeof recordSchema>;
export type RunStatus = RunRecord['status'];

/** Where everything of a run lies; all paths absolute. */
export interface RunFolder {
  readonly id: string;
  readonly folder: string;
  readonly recipePath: string;
  readonly eventsPath: string;
  readonly timingsPath: string;
  readonly statePath: string;
  /** What finished methods left. */
  readonly methodsFolder: string;
  /** By method and task, the class predicted for every image. */
  readonly predictionsFolder: string;
  readonly routingPath: string;
  readonly reportPath: string;
  readonly exportedFolder: string;
}

export interface RunSummary {
  readonly run: RunFolder;
  readonly record: RunRecord;
  /** The recorded status; "interrupted" when it says running but no process is. */
  readonly status: RunStatus | 'interrupted';
}

function runFolderAt(folder: string): RunFolder {
  const at = (name: string): string => join(folder, name);
  return {
    id: basename(folder),
    folder,
    recipePath: at('recipe.yaml'),
    eventsPath: at('events.jsonl'),
    timingsPath: at('timings.jsonl'),
    statePath: at('state.safetensors'),
    methodsFolder: at('methods'),
    predictionsFolder: at('predictions'),
    routingPath: at('routing.safetensors'),
    reportPath: at('report.json'),
    exportedFolder: at('exported'),
  };
}

/**
 * Adds a run to a project, with an id made of the recipe's name and the next free number. `recipeFolder`
 * is what the recipe's paths are relative to. The folder appears complete or not at all.
 */
export async function createRun(
  projectFolder: string,
  recipe: Recipe,
  recipeFolder: string,
): Promise<RunFolder> {
  const project = resolve(projectFolder);
  await openProject(project);
  const runs = join(project, 'runs');
  await sweepStaleTemporaries(runs);
  const unfinished = join(runs, temporaryName('part'));
  await makeFolder(unfinished);
  try {
    await writeFileDurably(join(unfinished, 'recipe.yaml'), formatRecipe(recipe));
    for (;;) {
      const id = await nextId(runs, recipe.name);
      const folder = join(runs, id);
      const now = new Date().toISOString();
      await writeJson(join(unfinished, 'run.json'), {
        schema: 1,
        id,
        status: 'created',
        recipeFolder: relative(folder, resolve(recipeFolder)).split(sep).join('/') || '.',
        createdAt: now,
        changedAt: now,
      } satisfies RunRecord);
      if (!(await renameUnlessTaken(unfinished, folder))) continue;
      await syncFolder(runs);
      return runFolderAt(folder);
    }
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
}

async function renameUnlessTaken(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    // Another process took the number since; on Windows that is EPERM.
    if (existsSync(to)) return false;
    throw error;
  }
}

async function nextId(runs: string, name: string): Promise<string> {
  const plain = name.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const slug = plain.replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '') || 'run';
  const prefix = `${slug.slice(0, 40)}-`;
  // Removed runs keep their number: they may come back.
  const removed = await readdir(join(runs, '.trash')).catch(() => []);
  const taken = [...(await readdir(runs)), ...removed]
    .filter((id) => id.startsWith(prefix) && /^\d{4,}$/.test(id.slice(prefix.length)))
    .map((id) => Number(id.slice(prefix.length)));
  return `${prefix}${String(Math.max(0, ...taken) + 1).padStart(4, '0')}`;
}

/** The run at `folder`. Throws `run.not_found` when there is none. */
export async function openRun(folder: string): Promise<RunFolder> {
  const run = runFolderAt(resolve(folder));
  const record = await stat(join(run.folder, 'run.json')).catch(() => undefined);
  if (record?.isFile() === true) return run;
  throw new AppError('run.not_found', {
    what: 'this is not the folder of a run',
    where: run.folder,
    hint: 'name a folder that holds run.json, such as PROJECT/runs/demo-0001',
  });
}

/** Keeps other processes off the run until released. Throws `run.in_use`. */
export function lockRun(run: RunFolder): Promise<RunLock> {
  return takeLock(join(run.folder, 'lock.json'));
}

export async function readRunRecord(run: RunFolder): Promise<RunRecord> {
  const path = join(run.folder, 'run.json');
  const result = recordSchema.safeParse(await readJson(path, 'run.invalid'));
  if (result.success) return result.data;
  throw new AppError('run.invalid', {
    what: 'run.json is not of this version, or is damaged',
    where: path,
    hint: 'open the run with the version that wrote it, or run the recipe again',
    cause: result.error,
  });
}

/** Writes a new status into run.json; the message of an earlier status goes. */
export async function markRun(run: RunFolder, status: RunStatus, message?: string): Promise<void> {
  const { schema, id, recipeFolder, createdAt } = await readRunRecord(run);
  await writeJson(join(run.folder, 'run.json'), {
    schema,
    id,
    status,
    recipeFolder,
    createdAt,
    changedAt: new Date().toISOString(),
    ...(message === undefined ? {} : { message }),
  } satisfies RunRecord);
}

/** The record of a run and its true status. */
export async function runStatus(run: RunFolder): Promise<RunSummary> {
  const record = await readRunRecord(run);
  const gone = record.status === 'running' && !(await isLocked(join(run.folder, 'lock.json')));
  return { run, record, status: gone ? 'interrupted' : record.status };
}

/** The report of a run. Throws `run.unfinished` when there is none yet, and `report.invalid`. */
export async function readRunReport(run: RunFolder): Promise<Report> {
  if (!existsSync(run.reportPath)) {
    throw new AppError('run.unfinished', {
      what: 'this run has no report yet',
      where: run.folder,
      hint: `finish it first: mergewright run ${run.folder}`,
    });
  }
  return parseReport(await readTextFile(run.reportPath), run.reportPath);
}

/** The recipe of a run and the folder its paths are relative to. */
export async function readRunRecipe(run: RunFolder): Promise<{ recipe: Recipe; folder: string }> {
  return {
    recipe: await readRecipe(run.recipePath),
    folder: await recipeFolder(run.recipePath),
  };
}

/**
 * The folder the paths of the recipe at `path` are relative to: the one it lies in, but for the copy
 * inside a run folder the one it was copied from, so that it can be run again as it is.
 */
export async function recipeFolder(path: string): Promise<string> {
  const folder = dirname(resolve(path));
  if (basename(path) !== 'recipe.yaml' || !existsSync(join(folder, 'run.json'))) return folder;
  return resolve(folder, (await readRunRecord(runFolderAt(folder))).recipeFolder);
}

/** The runs of a project by id; folders that are not runs are left out. */
export async function listRuns(projectFolder: string): Promise<readonly RunSummary[]> {
  const runs = join(resolve(projectFolder), 'runs');
  if (!existsSync(runs)) return [];
  const summaries: RunSummary[] = [];
  for (const name of (await readdir(runs)).sort()) {
    if (name.startsWith('.') || !existsSync(join(runs, name, 'run.json'))) continue;
    const run = runFolderAt(join(runs, name));
    summaries.push(await runStatus(run));
  }
  return summaries;
}
