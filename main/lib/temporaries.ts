/**
 * Names of the files and folders that exist only while something is being written, and the clearing
 * of those a killed process left behind. A name carries the machine and the process it belongs to.
 */
import { createHash, randomBytes } from 'node:crypto';
import { lstat, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** `part`: not finished, worthless. `old`: a folder holding what is about to be replaced. */
export type TemporaryKind = 'part' | 'old';

const pattern = /^\.mergewright-([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{12}\.(part|old)$/;
/** Whether a process of another machine still lives cannot be asked; after a day it is taken as dead. */
const FOREIGN_AGE_MS = 24 * 60 * 60 * 1000;

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

async function isStale(path: string, host: string, pid: number): Promise<boolean> {
  if (host === thisHost()) return !isAlive(pid);
  return Date.now() - (await lstat(path)).mtimeMs > FOREIGN_AGE_MS;
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
 * removed, and a folder that was moved away but never replaced is put back. Returns the names of the
 * temporaries it cleared, sorted. What cannot be cleared is left for the next time.
 */
export async function sweepStaleTemporaries(folder: string): Promise<readonly string[]> {
  const cleared: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const match = pattern.exec(name);
    if (match === null) continue;
    const path = join(folder, name);
    try {
      if (!(await isStale(path, match[1]!, Number(match[2])))) continue;
      if (match[3] === 'old') await undoReplacement(folder, path);
      else await rm(path, { recursive: true, force: true });
      cleared.push(name);
    } catch {
      continue;
    }
  }
  return cleared;
}
