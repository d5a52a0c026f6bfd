/** The built program in processes of its own whose system calls are counted, cut short, failed or ended. */
import { spawn, spawnSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../../build/bundles.ts';

export const program = join(root, 'dist/cli.js');

export type CallClass = 'change' | 'read';

/** What befalls a process; see faults.c. */
export interface Fault {
  /** Only calls on what lies below this folder count. */
  readonly folder: string;
  readonly calls: CallClass;
  /** Number of the call, from 1; 0 lets all of them pass. */
  readonly at: number;
  /** Also all later calls. */
  readonly lasting?: boolean;
  /** An errno fails the call. */
  readonly deed: 'kill' | 'torn' | 'short' | number;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  readonly milliseconds: number;
}

/** Compiles the interposer into `folder`; undefined where there is no C compiler or no LD_PRELOAD. */
export function buildInterposer(folder: string): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const library = join(folder, 'faults.so');
  const source = join(root, 'test/faults/faults.c');
  const words = ['-Wall', '-Wextra', '-O1', '-shared', '-fPIC', '-o', library, source, '-ldl'];
  const { status, error, stderr } = spawnSync('cc', words, { encoding: 'utf8' });
  if (error !== undefined) return undefined;
  if (status !== 0 || stderr !== '') throw new Error(`cc: ${stderr}`);
  return library;
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Kills the process after so long. */
  readonly killAfterMs?: number;
}

export function runToEnd(
  command: string,
  words: readonly string[],
  { env = {}, killAfterMs }: StartOptions = {},
): Promise<Ended> {
  const begun = performance.now();
  const child = spawn(command, words, { env: { ...process.env, ...env }, stdio: 'pipe' });
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (out += String(data)));
  child.stderr.on('data', (data: Buffer) => (err += String(data)));
  const timer =
    killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      done({ code, signal, out, err, milliseconds: performance.now() - begun });
    });
  });
}

/** How a process is told its fault. */
export function faultEnvironment(library: string, fault: Fault, log?: string): NodeJS.ProcessEnv {
  return {
    LD_PRELOAD: library,
    FAULTS_FOLDER: fault.folder,
    FAULTS_CALLS: fault.calls,
    FAULTS_AT: String(fault.at),
    FAULTS_DO: String(fault.deed),
    ...(fault.lasting === true ? { FAULTS_LASTING: '1' } : {}),
    ...(log === undefined ? {} : { FAULTS_LOG: log }),
  };
}

/** A counted call: `rename /result`, say; of random names only the ending is kept. */
export async function takeCalls(log: string): Promise<string[]> {
  const text = await readFile(log, 'utf8').catch(() => '');
  await rm(log, { force: true });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) =>
      line.replace(/^\d+ /, '').replaceAll(/\.mergewright-[0-9a-f]+-\d+-[0-9a-f]+\./g, '*.'),
    );
}
