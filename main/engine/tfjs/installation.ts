/**
 * Where native TensorFlow lies on this machine. Not in node_modules: a packaged application cannot be written to,
 * and `npm ci` would remove it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type NativeVariant = 'cpu' | 'gpu';

export interface InstalledSource {
  /** Name of the file as its publisher names it. */
  readonly name: string;
  /** Without a name or password. */
  readonly address: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What `installation.json` holds. */
export interface Installation {
  readonly format: 1;
  readonly variant: NativeVariant;
  /** Version of TensorFlow, e.g. "2.21.0". */
  readonly tensorflow: string;
  /** Package and version from whose sources the binding was built. */
  readonly binding: string;
  readonly installed: string;
  readonly sources: readonly InstalledSource[];
}

export const recordName = 'installation.json';
/** Beside the libraries it is linked with, which its run path ($ORIGIN) names. */
export const bindingPath = join('lib', 'tensorflow', 'tfjs_binding.node');

type Environment = Readonly<Record<string, string | undefined>>;

/** The folder of engines that a person installed; MERGEWRIGHT_ENGINES names another one. */
function enginesFolder(env: Environment = process.env): string {
  const named = env['MERGEWRIGHT_ENGINES'] ?? '';
  if (named !== '') return named;
  const data = env['XDG_DATA_HOME'] ?? env['LOCALAPPDATA'] ?? join(homedir(), '.local', 'share');
  return join(data, 'mergewright', 'engines');
}

export function tensorflowFolder(env: Environment = process.env): string {
  return join(enginesFolder(env), 'tensorflow');
}

/** What is installed in `folder`; undefined where that is nothing, or nothing whole. */
export function readInstallation(folder: string): Installation | undefined {
  try {
    const record = JSON.parse(readFileSync(join(folder, recordName), 'utf8')) as
      Installation | { readonly format?: undefined };
    return record.format === 1 && existsSync(join(folder, bindingPath)) ? record : undefined;
  } catch {
    return undefined;
  }
}
