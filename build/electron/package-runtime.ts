/**
 * The runtime of the electron package. The package holds JavaScript only; its own installer fetches the binary from
 * the project's releases, which some networks do not let through: then the answer has to come within seconds.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { root } from '../bundles.ts';

const PROBE_MS = 6_000;
const INSTALL_MS = 10 * 60_000;

const packageFolder = path.join(root, 'node_modules/electron');

/** Where the installer would take the binary from; a mirror is asked as it is. */
const releases =
  process.env['ELECTRON_MIRROR'] ??
  process.env['npm_config_electron_mirror'] ??
  'https://github.com/electron/electron/releases/';

function installed(): string | undefined {
  const pathFile = path.join(packageFolder, 'path.txt');
  if (!existsSync(pathFile)) return undefined;
  const executable = path.join(packageFolder, 'dist', readFileSync(pathFile, 'utf8').trim());
  return existsSync(executable) ? executable : undefined;
}

/** Why the releases cannot be reached; undefined when they can, or when a proxy makes asking pointless. */
async function unreachable(): Promise<string | undefined> {
  if (process.env['HTTPS_PROXY'] !== undefined || process.env['https_proxy'] !== undefined)
    return undefined;
  try {
    await fetch(releases, { method: 'HEAD', signal: AbortSignal.timeout(PROBE_MS) });
    return undefined;
  } catch (error) {
    const { cause } = error as Error;
    return cause instanceof Error ? cause.message : (error as Error).message;
  }
}

async function install(): Promise<string | undefined> {
  const reason = await unreachable();
  if (reason !== undefined) return `its releases cannot be reached (${reason})`;
  console.log('electron: fetching the binary of the electron package (about 110 MB, once)');
  try {
    await promisify(execFile)(process.execPath, [path.join(packageFolder, 'install.js')], {
      timeout: INSTALL_MS,
    });
    return undefined;
  } catch (error) {
    const lines = String((error as { stderr?: string }).stderr ?? error)
      .trim()
      .split('\n');
    return `its installer failed (${lines[0] ?? ''})`;
  }
}

/**
 * The executable of the electron package, or why it is not to be had. A failure is remembered in `cache` for the day.
 */
export async function packageRuntime(
  cache: string,
): Promise<{ executable: string; version: string } | { reason: string }> {
  const manifest = JSON.parse(readFileSync(path.join(packageFolder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const { version } = manifest;
  const ready = installed();
  if (ready !== undefined) return { executable: ready, version };
  const remembered = path.join(cache, `package-${version}-failed.txt`);
  const today = new Date().toISOString().slice(0, 10);
  if (existsSync(remembered)) {
    const [day, ...reason] = readFileSync(remembered, 'utf8').split('\n');
    if (day === today) return { reason: `${reason.join(' ')}; tried today` };
  }
  const reason = await install();
  const executable = installed();
  if (reason === undefined && executable !== undefined) return { executable, version };
  mkdirSync(cache, { recursive: true });
  writeFileSync(remembered, `${today}\n${reason ?? 'it left no binary'}`);
  return { reason: reason ?? 'it left no binary' };
}
