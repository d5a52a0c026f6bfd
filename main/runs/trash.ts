/** Runs that a person removed: kept in runs/.trash until they empty it, so that removing can be undone. */
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, writing } from '../lib/durable-file.ts';
import { AppError } from '../lib/errors.ts';
import { lockRun, openRun, type RunFolder } from './run-folder.ts';

/** Inside the folder of the runs; listings pass over names with a dot. */
const trashName = '.trash';

/** Throws `run.not_found`, and `run.in_use` while a process works on the run. */
export async function trashRun(project: string, id: string): Promise<void> {
  const runs = join(project, 'runs');
  const run = await openRun(join(runs, id));
  const lock = await lockRun(run);
  await lock.release();
  await writing(run.folder, mkdir(join(runs, trashName), { recursive: true }));
  await move(run.folder, join(runs, trashName, id), runs);
}

/** Brings a removed run back. Throws `run.not_found` when it is not in the trash. */
export async function restoreRun(project: string, id: string): Promise<RunFolder> {
  const runs = join(project, 'runs');
  const removed = await openRun(join(runs, trashName, id));
  const folder = join(runs, id);
  if (existsSync(folder)) {
    throw new AppError('file.folder_exists', {
      what: `there is another run "${id}" by now`,
      where: folder,
      hint: 'remove that one first',
    });
  }
  await move(removed.folder, folder, runs);
  return openRun(folder);
}

async function move(from: string, to: string, runs: string): Promise<void> {
  await writing(from, rename(from, to));
  await syncFolder(runs);
}
