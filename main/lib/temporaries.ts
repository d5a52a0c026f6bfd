/**
 * Names of the files and folders that exist only while something is being written, and the clearing
 * of those a killed process left behind. A name carries the machine and the process it belongs to.
 */
import { createHash, randomBytes } from 'node:crypto';
import { lstat, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';

/**
 * `part`: not finished, worthless. `old`: a folder holding what is about to be replaced. `merge`: an
 * unfinished merge that the next one to the same place can go on with.
 */
export type TemporaryKind = 'part' | 'old' | 'merge';

const pattern = /^\.mergewright-([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{12}\.(part|old|merge)$/;
/** Whether a process of another machine still lives cannot be asked; after a day it is taken as dead. */
const FOREIGN_AGE_MS = 24 * 60 * 60 * 1000;

/** After that nobody is expected to go on with an unfinished merge. */
const MERGE_AGE_MS = 7 * 24 * 60 * 60 * 1000;

let hostTag: string | undefined;

function thisHost(): string {
  return (hostTag ??= createHash('sha256').update(hostname()).digest('hex').slice(0, 8));
}

/** A new, unguessable name for a temporary of this process. */
export function temporaryName(kind: TemporaryKind): string {
  return `.mergewright-${thisHost()}-${process.pid}-${randomBytes(6).toString('hex')}.${kind}`;
}

/** True for a name that `temporaryName` made, in whatever process. */
export function isTemporaryName(name: string): boolean {
  return pattern.test(name);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, under another user.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

/** Temporaries that this process, alive as it is, has left to whoever wants them. */
const released = new Set<string>();

/** Leaves a temporary of this process behind, as if the process had died. */
export function releaseTemporary(path: string): void {
  released.add(path);
}

async function isStale(path: string, host: string, pid: number): Promise<boolean> {
  if (released.has(path)) return true;
  if (host === thisHost()) return !isAlive(pid);
  return (await age(path)) > FOREIGN_AGE_MS;
}

/** The name of a temporary may follow another one, which says what it becomes. */
const anyPrefix = new RegExp(pattern.source.replace('^', ''));

/** Whether no living process works on the temporary at `path`, whose name may follow another. */
export async function isAbandoned(path: string): Promise<boolean> {
  const match = anyPrefix.exec(basename(path));
  return match !== null && isStale(path, match[1]!, Number(match[2])).catch(() => false);
}

async function age(path: string): Promise<number> {
  return Date.now() - (await lstat(path)).mtimeMs;
}

/** The paths of the unfinished merges in `folder` that no living process works on, sorted. */
export async function abandonedMerges(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const match = pattern.exec(name);
    if (match?.[3] !== 'merge') continue;
    const path = join(folder, name);
    const stale = await isStale(path, match[1]!, Number(match[2])).catch(() => false);
    if (stale) found.push(path);
  }
  return found;
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

/** Puts back what was moved away, unless its replacement made it into place. */
async function undoReplacement(folder: string, container: string): Promise<void> {
  for (const name of await readdir(container)) {
    const original = join(folder, name);
    const moved = join(container, name);
    if (await exists(original)) await rm(moved, { recursive: true, force: true });
    else await rename(moved, original);
  }
  await rmdir(container);
}

/**
 * Clears what interrupted writes of dead processes left in `folder`: unfinished files and folders are
 * removed (merges that could go on, only when they are old), and a folder that was moved away but never
 * replaced is put back. Returns the names of the temporaries it cleared, sorted. What cannot be cleared
 * is left for the next time.
 */
export async function sweepStaleTemporaries(folder: string): Promise<readonly string[]> {
  const cleared: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const match = pattern.exec(name);
    if (match === null) continue;
    const path = join(folder, name);
    try {
      if (!(await isStale(path, match[1]!, Number(match[2])))) continue;
      if (match[3] === 'merge' && (await age(path)) < MERGE_AGE_MS) continue;
      if (match[3] === 'old') await undoReplacement(folder, path);
      else await rm(path, { recursive: true, force: true });
      cleared.push(name);
    } catch {
      continue;
    }
  }
  return cleared;
}
