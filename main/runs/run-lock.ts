/** The lock of a run: two processes must never write one run folder. */
import { open, readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts';

const lockSchema = z.object({
  pid: z.int().min(1),
  started: z.string().nullable(),
  host: z.string(),
});

/** A lock that cannot be read is being written, or was left by a crash in that very moment. */
const unreadableAgeMs = 5_000;

export interface RunLock {
  release(): Promise<void>;
}

/** Takes the lock at `path`; one left by a process that has ended is broken. Throws `run.in_use`. */
export async function takeLock(path: string): Promise<RunLock> {
  const own = await ownIdentity();
  if (!(await create(path, own))) await breakStale(path, own);
  let held = true;
  return {
    async release() {
      if (held) await rm(path, { force: true });
      held = false;
    },
  };
}

/** Whether a living process holds the lock at `path`. */
export async function isLocked(path: string): Promise<boolean> {
  const holder = await readHolder(path);
  return holder === 'unreadable' || (holder !== undefined && (await isAlive(holder)));
}

async function create(path: string, own: ProcessIdentity): Promise<boolean> {
  let handle;
  try {
    handle = await open(path, 'wx');
  } catch (cause) {
    if (errno(cause) === 'EEXIST') return false;
    throw new AppError('file.write_failed', {
      what: `the lock of the run cannot be written (${errno(cause)})`,
      where: path,
      hint: 'check that the run folder exists and may be written to',
      cause,
    });
  }
  try {
    await handle.writeFile(`${JSON.stringify(own)}\n`);
  } finally {
    await handle.close();
  }
  return true;
}

async function breakStale(path: string, own: ProcessIdentity): Promise<void> {
  if (await isLocked(path)) throw await inUse(path);
  // Two processes may find the same stale lock. Only the one that holds this second lock removes it,
  // and looks again first, so that neither can remove a lock the other has just taken.
  const guard = `${path}.breaking`;
  for (let attempt = 0; !(await create(guard, own)); attempt++) {
    const age = await ageOf(guard);
    if (age !== undefined && age > unreadableAgeMs) await rm(guard, { force: true });
    else if (attempt === 20) throw await inUse(path);
    else await delay(50);
  }
  try {
    if (await isLocked(path)) throw await inUse(path);
    await rm(path, { force: true });
    if (!(await create(path, own))) throw await inUse(path);
  } finally {
    await rm(guard, { force: true });
  }
}

async function readHolder(path: string): Promise<ProcessIdentity | 'unreadable' | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return lockSchema.parse(JSON.parse(text));
  } catch {
    const age = await ageOf(path);
    return age !== undefined && age < unreadableAgeMs ? 'unreadable' : undefined;
  }
}

async function ageOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? undefined : Date.now() - found.mtimeMs;
}

async function inUse(path: string): Promise<AppError> {
  const holder = await readHolder(path);
  const known = holder !== undefined && holder !== 'unreadable';
  const who = known ? `process ${holder.pid} on ${holder.host}` : 'another process';
  return new AppError('run.in_use', {
    what: `${who} is working on this run`,
    where: path,
    hint: 'wait for it, or stop it; delete this file only if you are sure that it has ended',
  });
}

function errno(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}
