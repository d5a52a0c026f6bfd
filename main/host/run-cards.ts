/** Runs as the Runs view lists them. */
import { readdir, stat } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RunCard, RunState } from '../api/runs.ts';
import { AppError } from '../lib/errors.ts';
import { methodCatalogue, titleOf } from '../runs/catalogue.ts';
import { readNotes } from '../runs/notes.ts';
import type { RecipeMethod } from '../runs/recipe.ts';
import { competes, type Report } from '../runs/report.ts';
import {
  openRun,
  readRunRecipe,
  readRunReport,
  runStatus,
  type RunFolder,
} from '../runs/run-folder.ts';

/** The run `id` of a project. Throws `run.not_found`. */
export function runOf(folder: string, id: string): Promise<RunFolder> {
  return openRun(join(folder, 'runs', id));
}

/** All runs of a project, the newest first; a damaged one is listed with what is wrong with it. */
export async function runCards(
  folder: string,
  stateOf: (run: RunFolder) => RunState | undefined,
): Promise<RunCard[]> {
  const runs = join(folder, 'runs');
  if (!existsSync(runs)) return [];
  const cards: RunCard[] = [];
  for (const name of await readdir(runs)) {
    if (name.startsWith('.') || !existsSync(join(runs, name, 'run.json'))) continue;
    const run = await openRun(join(runs, name));
    cards.push(await runCard(run, stateOf(run)));
  }
  return cards.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
}

/** `state` is what the host knows better than the disk: that it is paused. */
export async function runCard(run: RunFolder, state?: RunState): Promise<RunCard> {
  try {
    return await readCard(run, state);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return damagedCard(run, error);
  }
}

async function readCard(run: RunFolder, state: RunState | undefined): Promise<RunCard> {
  const { record, status } = await runStatus(run);
  const { recipe } = await readRunRecipe(run);
  const report = existsSync(run.reportPath) ? await readRunReport(run) : undefined;
  return {
    id: run.id,
    title: recipe.name,
    status: state ?? status,
    message: record.message ?? null,
    createdAt: record.createdAt,
    changedAt: record.changedAt,
    ...(await readNotes(run)),
    tasks: recipe.tasks.map(({ id }) => id),
    methods: recipe.methods.map((entry) => ({
      id: entry.id,
      title: methodTitle(entry),
      finished: existsSync(join(run.methodsFolder, `${entry.id}.json`)),
    })),
    best: report === undefined ? null : bestOf(report),
    bytes: await sizeOf(run.folder),
  };
}

/** A method's title as its report has it. */
export function methodTitle(entry: RecipeMethod): string {
  // A run of another version may name methods that this one does not have.
  return methodCatalogue.ids.includes(entry.method) ? titleOf(entry) : entry.id;
}

function bestOf({ methods }: Report): RunCard['best'] {
  const rivals = methods.filter(competes);
  const [best] = rivals.toSorted((a, b) => b.average - a.average);
  if (best === undefined) return null;
  const { id, average, normalizedAverage } = best;
  return { method: id, average, normalizedAverage };
}

async function damagedCard(run: RunFolder, error: AppError): Promise<RunCard> {
  const changed = await stat(run.folder).catch(() => undefined);
  const at = (changed?.mtime ?? new Date(0)).toISOString();
  return {
    id: run.id,
    title: run.id,
    status: 'failed',
    message: `${error.what}; ${error.hint}`,
    createdAt: at,
    changedAt: at,
    ...(await readNotes(run)),
    tasks: [],
    methods: [],
    best: null,
    bytes: await sizeOf(run.folder),
  };
}

/** Bytes of all files below a folder; what vanishes meanwhile counts nothing. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        stat(join(entry.parentPath, entry.name)).then(
          (s) => s.size,
          () => 0,
        ),
      ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
