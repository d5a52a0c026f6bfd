/** Building a folder of files beside its final place, and moving it there only when it is complete. */
import { lstat, mkdir, open, readdir, readFile, realpath, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  errnoOf,
  renameOver,
  syncFolder,
  writeError,
  writeFileDurably,
  writing,
} from './durable-file.ts';
import { AppError, throwIfCancelled } from './errors.ts';
import { sweepStaleTemporaries, temporaryName } from './temporaries.ts';

/** Lists what was written, so that a folder with a person's own files in it is never removed. */
const FOLDER_MARKER = '.mergewright.json';
const FOLDER_FORMAT = 1;

export interface ReplaceFolderOptions {
  readonly signal?: AbortSignal | undefined;
  /** Allows replacing a folder this application wrote, when nothing was added to it since. */
  readonly overwrite?: boolean;
}

/** Relative paths (with `/`) of all files below a folder, sorted; other things count as files. */
async function listFiles(folder: string, prefix = ''): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) files.push(...(await listFiles(folder, path)));
    else files.push(path);
  }
  return files.sort();
}

/** Syncs every file and folder below `folder`, the deepest first. */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    if (!entry.isFile()) continue;
    // Windows can sync only through a handle that may write.
    const handle = await open(path, process.platform === 'win32' ? 'r+' : 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  await syncFolder(folder);
}

async function filesOfMarker(folder: string): Promise<ReadonlySet<string> | undefined> {
  try {
    const marker: unknown = JSON.parse(await readFile(join(folder, FOLDER_MARKER), 'utf8'));
    if (typeof marker !== 'object' || marker === null || !('files' in marker)) return undefined;
    return Array.isArray(marker.files) ? new Set(marker.files.map(String)) : undefined;
  } catch {
    return undefined;
  }
}

type Occupant = 'nothing' | 'empty' | 'ours';

/** What is at the target now; throws when it may not be replaced. */
async function occupantOf(target: string, overwrite: boolean): Promise<Occupant> {
  const refuse = (code: 'file.folder_not_ours' | 'file.folder_exists', what: string): never => {
    const hint = 'choose another folder, or move this one away; nothing was changed';
    throw new AppError(code, { what, where: target, hint });
  };
  const stats = await lstat(target).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (stats === undefined) return 'nothing';
  if (!stats.isDirectory()) refuse('file.folder_not_ours', 'a file is in the way');
  const files = await listFiles(target);
  if (files.length === 0 && (await readdir(target)).length === 0) return 'empty';
  const written = await filesOfMarker(target);
  if (written === undefined) {
    return refuse('file.folder_not_ours', 'the folder holds files of another origin');
  }
  const foreign = files.find((file) => file !== FOLDER_MARKER && !written.has(file));
  if (foreign !== undefined) {
    refuse('file.folder_not_ours', `the file "${foreign}" was added to the folder`);
  }
  if (!overwrite) refuse('file.folder_exists', 'the folder was written by an earlier export');
  return 'ours';
}

/** Moves the finished folder to its place. A replaced folder is removed only after that. */
async function publish(temporary: string, target: string, occupant: Occupant): Promise<void> {
  const parent = dirname(target);
  if (occupant === 'ours') {
    await exchange(temporary, target);
    return;
  }
  if (occupant === 'empty') await rmdir(target);
  await renameOver(temporary, target);
  await settle(target, syncFolder(parent));
}

/** Moves the folder at `target` away, `temporary` to its place, and removes the old one. */
async function exchange(temporary: string, target: string): Promise<void> {
  const parent = dirname(target);
  const container = join(parent, temporaryName('old'));
  const moved = join(container, basename(target));
  await mkdir(container);
  try {
    await renameOver(target, moved);
  } catch (error) {
    await rmdir(container).catch(() => undefined);
    throw error;
  }
  try {
    await renameOver(temporary, target);
  } catch (error) {
    await writing(target, renameOver(moved, target), `the old folder was moved to ${moved}`);
    await rmdir(container).catch(() => undefined);
    throw error;
  }
  const synced = settle(target, syncFolder(parent));
  // What cannot be removed now is removed by the next sweep.
  const removed = synced.then(() => rm(container, { recursive: true, force: true }));
  await removed.catch(() => undefined);
  await synced;
}

/** The last step, when the new folder can be seen already. */
async function settle(target: string, step: Promise<void>): Promise<void> {
  await writing(target, step, 'the new folder is in place, but a power cut now could undo that');
}

/**
 * Where a folder really comes to lie, and whether one may: throws `file.folder_*` where it may not. Clears what dead
 * processes left beside it first, for one of them may have died between moving an old folder away and its replacement.
 */
export async function folderPlace(target: string, overwrite: boolean): Promise<string> {
  const final = await realpath(target).catch(() => resolve(target));
  await sweepStaleTemporaries(dirname(final)).catch(() => undefined);
  await writing(target, occupantOf(final, overwrite));
  return final;
}

/**
 * Moves a finished folder that lies beside `target` to that place: lists its files in the marker, syncs
 * everything, renames. What is there already is treated as `replaceFolderDurably` says.
 */
export async function publishFolderDurably(
  finished: string,
  target: string,
  options: ReplaceFolderOptions = {},
): Promise<void> {
  const { signal, overwrite = false } = options;
  const final = await realpath(target).catch(() => resolve(target));
  const marker = { format: FOLDER_FORMAT, files: await listFiles(finished) };
  await writeFileDurably(join(finished, FOLDER_MARKER), `${JSON.stringify(marker, null, 2)}\n`);
  await writing(target, syncTree(finished));
  throwIfCancelled(signal);
  // Asked again: building may have taken long.
  const occupant = await writing(target, occupantOf(final, overwrite));
  await writing(target, publish(finished, final, occupant));
}

/**
 * An error about a file of an unfinished folder names the place the file would have had, and does not say that the file
 * is there: the folder is gone by then.
 */
export function atFinalPlace(error: unknown, unfinished: string, target: string): unknown {
  if (!(error instanceof AppError) || error.where?.startsWith(unfinished) !== true) return error;
  const where = `${target}${error.where.slice(unfinished.length)}`;
  const { code, what, hint, cause } = error;
  const failedCall = code === 'file.write_failed' || code === 'file.disk_full' ? cause : undefined;
  if (errnoOf(failedCall) !== '') return writeError(failedCall, where);
  return new AppError(code, { what, where, hint, cause: error });
}

/**
 * Builds a folder beside `target` and renames it into place, everything synced; `build` fills the
 * temporary folder it is given. An existing target is refused (`file.folder_not_ours`,
 * `file.folder_exists`) unless it is empty, or was written by this function, holds nothing else and
 * `overwrite` is set. On failure or cancellation the target is as it was and nothing is left beside it.
 * Throws AppError `file.*`, CancelledError, or what `build` throws.
 */
export async function replaceFolderDurably(
  target: string,
  build: (temporaryFolder: string) => Promise<void>,
  options: ReplaceFolderOptions = {},
): Promise<void> {
  const { signal, overwrite = false } = options;
  throwIfCancelled(signal);
  const final = await folderPlace(target, overwrite);
  const temporary = join(dirname(final), temporaryName('part'));
  await writing(target, mkdir(temporary));
  try {
    await writing(target, build(temporary));
    throwIfCancelled(signal);
    await publishFolderDurably(temporary, target, options);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw atFinalPlace(error, temporary, target);
  }
}
