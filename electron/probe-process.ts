/** Programs that try a native library, for the compute process: what they load may crash or hang them. */
import { utilityProcess } from 'electron';
import { constants } from 'node:os';
import type { FromHost, ToHost } from '../main/api/host-messages.ts';
import { computeEnvironment } from './compute-process.ts';
import { places } from './places.ts';

type ProbeOrder = Extract<FromHost, { type: 'probe' }>;
type ProbeEnd = Extract<ToHost, { type: 'probed' }>['end'];

/** A driver that writes more is not read to its end. */
const OUTPUT_LIMIT = 500_000;

/** Runs one to its end; never rejects. */
export function runProbe({ program, args, limitMs }: ProbeOrder): Promise<ProbeEnd> {
  const child = utilityProcess.fork(places.probes[program], [...args], {
    serviceName: 'Mergewright probe',
    env: computeEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr, timedOut] = ['', '', false];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const timer = setTimeout(() => {
    timedOut = true;
    if (child.pid !== undefined) process.kill(child.pid, 'SIGKILL');
  }, limitMs);
  return new Promise((resolve) => {
    child.once('exit', (code) => {
      clearTimeout(timer);
      // What was written last may arrive after the end.
      setTimeout(() => {
        const text = {
          stdout: stdout.slice(0, OUTPUT_LIMIT),
          stderr: stderr.slice(0, OUTPUT_LIMIT),
        };
        resolve({ ...endOf(code), timedOut, ...text });
      }, 100);
    });
  });
}

/**
 * Electron hands on what waitpid says: a probe ends by itself with 0 or 1, and any other number holds a signal, with
 * 128 added where the memory was written to a file.
 */
function endOf(code: number): Pick<ProbeEnd, 'code' | 'signal'> {
  const [signal] =
    process.platform === 'win32' || code === 1
      ? []
      : (Object.entries(constants.signals).find(([, value]) => value === (code & 127)) ?? []);
  return signal === undefined ? { code, signal: null } : { code: null, signal };
}
