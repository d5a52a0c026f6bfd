/** A display to open windows on: the user's own, or a virtual one where there is none. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Whether windows can be opened here as it is. */
export function hasDisplay(): boolean {
  if (process.platform !== 'linux') return true;
  const set = (name: string): boolean => (process.env[name] ?? '') !== '';
  return set('DISPLAY') || set('WAYLAND_DISPLAY');
}

export interface VirtualDisplay {
  /** For the environment of the program. */
  readonly display: string;
  stop(): void;
}

const START_LIMIT_MS = 20_000;

/** Starts Xvfb on a number it finds free itself. Throws when Xvfb is not installed. */
export async function startVirtualDisplay(size = '2600x1500'): Promise<VirtualDisplay> {
  // With -displayfd the server picks the number and tells it once it is ready. It ends when the pipe to it does, so
  // also when this process is killed, as test runners do with theirs.
  const server = spawn(
    'sh',
    [
      ...['-c', 'command -v Xvfb >/dev/null || exit; Xvfb "$@" & cat; kill $!', 'sh'],
      ...['-displayfd', '3', '-screen', '0', `${size}x24`, '-nolisten', 'tcp', '-noreset'],
    ],
    { stdio: ['pipe', 'ignore', 'ignore', 'pipe'] },
  );
  const display = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      server.stdin?.end();
      reject(new Error('Xvfb did not start in time'));
    }, START_LIMIT_MS);
    server.on('exit', () => {
      clearTimeout(timer);
      reject(new Error('no display, and Xvfb is not installed (build/bootstrap.sh installs it)'));
    });
    server.stdio[3]?.on('data', (data: Buffer) => {
      clearTimeout(timer);
      resolve(`:${data.toString().trim()}`);
    });
  });
  // Nothing of it keeps this process from ending.
  server.unref();
  for (const pipe of [server.stdio[0], server.stdio[3]]) {
    if (pipe !== null && pipe !== undefined && 'unref' in pipe) (pipe.unref as () => void)();
  }
  const stop = (): void => void server.stdin?.end();
  return { display, stop };
}

/** Chromium's own sandbox refuses to run as root; so do containers without user namespaces. */
export function needsNoSandbox(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0;
}

/** Whether Xvfb can be started. */
export function hasXvfb(): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(`${folder}/Xvfb`));
}
