/** What a recipe means by the name of a model: a local path, with an adapter behind a "+" or not. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { AppError } from '../../lib/errors.ts';

/** `owner/name` or `name`, with a revision behind "@" or not, as the Hub has them. */
const hubName = /^[A-Za-z0-9][\w.-]*(?:\/[\w.-]+)?(?:@[\w./-]+)?$/;

/**
 * The reference with absolute paths. Each of its paths is looked for in `folders` in turn, then as a
 * name of the Hub among the models the Hub's own programs have fetched to this machine. Throws
 * `recipe.hub_model` for a name that is not here; a path that looks like no such name is left to the
 * readers to complain about.
 */
export function resolveReference(
  reference: string,
  folders: readonly string[],
  where: string,
): string {
  // A "+" may also belong to the name of a folder.
  const whole = findLocal(reference, folders);
  if (whole !== undefined) return whole;
  return reference
    .split('+')
    .map((path) => findLocal(path, folders) ?? notFound(path, folders, where))
    .join('+');
}

/** The parts of a resolved reference. */
export function splitReference(reference: string): { model: string; adapter: string | undefined } {
  const at = reference.lastIndexOf('+');
  if (at < 0 || existsSync(reference)) return { model: reference, adapter: undefined };
  return { model: reference.slice(0, at), adapter: reference.slice(at + 1) };
}

function findLocal(path: string, folders: readonly string[]): string | undefined {
  const found = folders.map((folder) => resolve(folder, path)).find((at) => existsSync(at));
  return found ?? (hubName.test(path) ? findInHubCache(path) : undefined);
}

function notFound(path: string, folders: readonly string[], where: string): string {
  const [folder = '.'] = folders;
  if (!hubName.test(path) || !path.includes('/')) return resolve(folder, path);
  throw new AppError('recipe.hub_model', {
    what: `"${path}" is no folder or file here; it looks like a name of the Hugging Face Hub, and nothing is downloaded`,
    where,
    hint: `fetch it first, e.g. with "hf download ${path.replace(/@.*/, '')}", or give the path of a local copy`,
  });
}

/** The folder in which the Hub's own programs keep a revision of a model, where they have fetched it. */
function findInHubCache(name: string): string | undefined {
  const [repository = '', revision = 'main'] = name.split('@');
  const cache =
    process.env['HF_HUB_CACHE'] ??
    join(process.env['HF_HOME'] ?? join(homedir(), '.cache', 'huggingface'), 'hub');
  const folder = join(cache, `models--${repository.replace('/', '--')}`);
  const ref = join(folder, 'refs', revision);
  const commit = existsSync(ref) ? readFileSync(ref, 'utf8').trim() : revision;
  const snapshot = join(folder, 'snapshots', commit);
  return /^[\w.-]+$/.test(commit) && existsSync(snapshot) ? snapshot : undefined;
}
