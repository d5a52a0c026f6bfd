/** Tries a provider in a process of its own, once for each process that asks. */
import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { childProgram } from '../../lib/thread-program.ts';
import { probeHere } from './probe-here.ts';
import { judgeProbe, type ProbeEnd, type ProbeOutcome } from './probe-outcome.ts';
import { backendOf, missingForProvider, type GpuProvider } from './providers.ts';

/** Runs the probe program with `args` and `env` to its end. */
export type ProbeRunner = (
  args: readonly string[],
  env: Readonly<Record<string, string>>,
) => Promise<ProbeEnd>;

/** A driver that compiles its first shader on a busy machine may take seconds. */
const timeLimitMs = 30_000;

/** Vulkan's loader then says which files it misses and which device it made. */
const loaderTells = { VK_LOADER_DEBUG: 'error,driver' };

const outcomes = new Map<GpuProvider, Promise<ProbeOutcome>>();

/** Whether a provider computes here, and on what; the same answer as long as this process lives. */
export function probeProvider(provider: GpuProvider): Promise<ProbeOutcome> {
  let outcome = outcomes.get(provider);
  if (outcome === undefined) {
    outcome = tryProvider(provider, canRunNode() ? inChildProcess : inThisProcess);
    outcomes.set(provider, outcome);
  }
  return outcome;
}

/** As `probeProvider`, anew and by `run`. */
export async function tryProvider(
  provider: GpuProvider,
  run: ProbeRunner,
  missing = missingForProvider(provider),
): Promise<ProbeOutcome> {
  if (missing !== undefined) return { runs: false, reason: missing };
  return judgeProbe(provider, await run([backendOf(provider)], loaderTells));
}

/** The packaged application cannot be started as Node; its compute process is one that may end. */
function canRunNode(): boolean {
  return !('electron' in process.versions) || process.env['MERGEWRIGHT_PACKAGED'] !== '1';
}

const vulkanDriver = /libvk_swiftshader|libvulkan_\w+\.so|libGLX_nvidia|amdvlk/;

/** The one Vulkan driver that is loaded, as its loader would name it; of several nobody knows which was taken. */
function loadedDriver(): string {
  const { sharedObjects } = process.report.getReport() as { sharedObjects: readonly string[] };
  const [driver, ...more] = new Set(sharedObjects.filter((path) => vulkanDriver.test(path)));
  if (driver === undefined || more.length > 0) return '';
  return `Using "${basename(driver)}" with driver: "${driver}"`;
}

/** Without what the driver wrote; the card is known by its driver at best. */
export async function inThisProcess([backend = '']: readonly string[]): Promise<ProbeEnd> {
  const end = { code: 0, signal: null, timedOut: false, stdout: '', stderr: '' };
  try {
    const stdout = JSON.stringify(await probeHere(backend));
    return { ...end, stdout, stderr: loadedDriver() };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ...end, code: 1, stderr: `Error: ${message}` };
  }
}

/** With the Node that runs this program; Electron's binary then behaves as Node. */
function inChildProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ProbeEnd> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...childProgram('probe'), ...args], {
      env: { ...process.env, ...env, ELECTRON_RUN_AS_NODE: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      timeout: timeLimitMs,
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
      const timedOut = signal === 'SIGKILL' && performance.now() - started >= timeLimitMs;
      resolve({ code, signal, timedOut, stdout, stderr });
    });
  });
}
