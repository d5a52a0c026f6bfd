/** Telling whether a process noted earlier is still the one that lives: its id alone may be reused. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { promisify } from 'node:util';

export interface ProcessIdentity {
  readonly pid: number;
  /** What tells this process from an earlier or later one with its id; null where it cannot be asked. */
  readonly started: string | null;
  readonly host: string;
}

export async function ownIdentity(): Promise<ProcessIdentity> {
  return { pid: process.pid, started: await startOf(process.pid), host: hostname() };
}

/** False when the process has ended. One of another machine cannot be asked and counts as alive. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  if (identity.host !== hostname()) return true;
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    // EPERM: it lives, under another user.
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
  }
  const started = await startOf(identity.pid);
  return started === null || identity.started === null || started === identity.started;
}

async function startOf(pid: number): Promise<string | null> {
  try {
    if (process.platform === 'linux') {
      const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      // The name, in brackets, may hold spaces; the start time is field 22 of the line.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return `${boot}:${fields[19] ?? ''}`;
    }
    if (process.platform === 'darwin') {
      const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]);
      return stdout.trim() === '' ? null : stdout.trim();
    }
  } catch {
    return null;
  }
  return null;
}
