/** The built program as a user starts it, in processes of its own; built first, so that no old bundle is tested. */
import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { ErrorCode } from '../../main/lib/error-codes.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const program = join(root, 'dist/cli.js');

execFileSync(process.execPath, ['--import', 'tsx', 'build/bundle.ts'], { cwd: root });

export interface Outcome {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Started {
  readonly process: ChildProcessWithoutNullStreams;
  readonly end: Promise<Outcome>;
}

/** Starts a command line; nothing of it is shared with this process. */
export function start(command: string, words: readonly string[], folder = root): Started {
  const child = spawn(command, words, { cwd: folder, env: { ...process.env, FORCE_COLOR: '0' } });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (data: Buffer) => out.push(data));
  child.stderr.on('data', (data: Buffer) => err.push(data));
  const end = once(child, 'close').then(([code]: (number | null)[]) => ({
    code: code ?? null,
    out: Buffer.concat(out).toString(),
    err: Buffer.concat(err).toString(),
  }));
  return { process: child, end };
}

export function startMergewright(words: readonly string[], folder?: string): Started {
  return start(process.execPath, [program, ...words], folder);
}

export function mergewright(...words: readonly string[]): Promise<Outcome> {
  return startMergewright(words).end;
}

/** Expects the program to have done its work; returns what it printed. */
export function printed({ code, out, err }: Outcome): string {
  expect(code, err).toBe(0);
  expect(err).not.toContain('error[');
  return out;
}

/** Runs with `--json`; returns the one document that must be all of standard output. */
export async function resultOf<Result>(...words: readonly string[]): Promise<Result> {
  return JSON.parse(printed(await mergewright(...words, '--json'))) as Result;
}

/** Expects one line of error with this code, exit code 1 and nothing on standard output; returns the line. */
export function errorLine({ code, out, err }: Outcome, wanted: ErrorCode): string {
  const lines = err.split('\n').filter((line) => line.startsWith('error['));
  expect(lines, err).toHaveLength(1);
  const [line = ''] = lines;
  expect(line).toContain(`error[${wanted}]: `);
  expect([code, out]).toEqual([1, '']);
  // No stack and no second message follows.
  expect(err.trimEnd().endsWith(line), err).toBe(true);
  return line;
}

/** Every folder and file below `folder` by relative path; files with the sha-256 of what they hold. */
export async function contents(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    found[relative(folder, path)] = entry.isDirectory()
      ? 'folder'
      : createHash('sha256')
          .update(await readFile(path))
          .digest('hex');
  }
  return found;
}
