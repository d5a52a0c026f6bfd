/**
 * Runs a program that tries a native library, in a process of its own: a library or driver that crashes or hangs takes
 * that process along and not the one that asked, and what it writes on the error output can be read.
 */
import { spawn } from 'node:child_process';
import { childProgram } from '../lib/thread-program.ts';

export type ProbeProgram = 'probe' | 'tensorflow';

export interface ProbeOrder {
  readonly program: ProbeProgram;
  readonly args: readonly string[];
  readonly limitMs: number;
}

/** How a probe process ended. */
export interface ProbeEnd {
  /** Null where a signal ended it, or where it never started. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

export type ProbeRunner = (order: ProbeOrder) => Promise<ProbeEnd>;

let runner: ProbeRunner = runProbeWithNode;

/** For a process that cannot start others by itself, as the application's compute process: `run` asks somebody. */
export function useProbeRunner(run: ProbeRunner): void {
  runner = run;
}

/** Runs a probe to its end; never rejects. */
export const runProbe: ProbeRunner = (order) => runner(order);

/** With the Node that runs this program. */
export function runProbeWithNode({ program, args, limitMs }: ProbeOrder): Promise<ProbeEnd> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...childProgram(program), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    const started = performance.now();
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', ({ message }) => {
      resolve({ code: null, signal: null, timedOut: false, stdout, stderr: `Error: ${message}` });
    });
    child.once('close', (code, signal) => {
      const timedOut = signal === 'SIGKILL' && performance.now() - started >= limitMs;
      resolve({ code, signal, timedOut, stdout, stderr });
    });
  });
}

/** What a person can make of a signal; of others its name is all there is to say. */
const signalWords: Readonly<Record<string, string>> = {
  SIGILL: 'it uses an instruction that this processor does not have',
  SIGKILL: 'the system ended it, perhaps for lack of memory',
};
/** https://learn.microsoft.com/openspecs/windows_protocols/ms-erref/596a1078-e883-4972-9bbc-49e60bebca55 */
const windowsCrashes: Readonly<Record<number, string>> = {
  0xc0000005: 'SIGSEGV',
  0xc000001d: 'SIGILL',
  0xc0000409: 'SIGABRT',
};

/** The signal, or Windows' word for it, that ended a probe; undefined where it ended by itself. */
export function crashOf({ code, signal }: ProbeEnd): string | undefined {
  return signal ?? (code === null ? undefined : windowsCrashes[code >>> 0]);
}

/** "SIGILL: it uses an instruction that this processor does not have", or "code 1". */
export function endInWords(end: ProbeEnd): string {
  const crash = crashOf(end);
  if (crash === undefined) return `code ${String(end.code)}`;
  const words = signalWords[crash];
  return words === undefined ? crash : `${crash}: ${words}`;
}
