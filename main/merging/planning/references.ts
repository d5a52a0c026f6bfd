/** What a recipe means by the name of a model: a local path, with an adapter behind a "+" or not. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { findLocalModel } from '../../hub/local.ts';
import { isHubReference, parseHubName, type HubName } from '../../hub/name.ts';

/** Hears of a model of the Hub that is not on this machine. */
export type OnMissing = (name: HubName) => void;

/**
 * The reference with absolute paths. Each of its paths is looked for in `folders` in turn, then as a name of the
 * Hub, with `hub:` before it or not, among the models that were downloaded to this machine. A path that looks
 * like no such name is left to the readers to complain about.
 */
export function resolveReference(
  reference: string,
  folders: readonly string[],
  onMissing: OnMissing,
): string {
  // A "+" may also belong to the name of a folder.
  const whole = findLocal(reference, folders);
  if (whole !== undefined) return whole;
  return reference
    .split('+')
    .map((path) => findLocal(path, folders) ?? notFound(path, folders, onMissing))
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
  if (found !== undefined) return found;
  const name = parseHubName(path);
  return name && findLocalModel(name);
}

function notFound(path: string, folders: readonly string[], onMissing: OnMissing): string {
  const [folder = '.'] = folders;
  const name = isHubReference(path) || path.includes('/') ? parseHubName(path) : undefined;
  if (name !== undefined) onMissing(name);
  return resolve(folder, path);
}
