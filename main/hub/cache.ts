/**
 * The cache of Hugging Face's own programs, read and written in their layout, so that nothing is downloaded
 * twice on one machine: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 *
 *   models--owner--name/refs/main            the commit that a branch or tag stood for
 *   models--owner--name/blobs/<checksum>     contents, named by sha-256 (large files) or git's sha-1
 *   models--owner--name/snapshots/<commit>/  the files of a commit: links into blobs
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { link, lstat, mkdir, rm, stat, symlink } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { errnoOf, renameOver, writing } from '../lib/durable-file.ts';
import { writeFileDurably } from '../lib/durable.ts';
import { neededFiles } from './files.ts';
import { hubReference, isCommit, parseHubName, type HubName } from './name.ts';

const prefix = 'models--';

function repositoryFolder(cache: string, repository: string): string {
  return join(cache, `${prefix}${repository.replaceAll('/', '--')}`);
}

export function blobFolder(cache: string, repository: string): string {
  return join(repositoryFolder(cache, repository), 'blobs');
}

export function snapshotFolder(cache: string, repository: string, commit: string): string {
  return join(repositoryFolder(cache, repository), 'snapshots', commit);
}

/** The commit a revision stood for when it was fetched the last time. */
export function cachedCommit(cache: string, { repository, revision }: HubName): string | undefined {
  if (isCommit(revision)) return revision;
  try {
    const file = join(repositoryFolder(cache, repository), 'refs', ...revision.split('/'));
    const commit = readFileSync(file, 'utf8').trim();
    return isCommit(commit) ? commit : undefined;
  } catch {
    return undefined;
  }
}

/** The folder of a model on this machine, if all of it that a merge needs is there. */
export function findSnapshot(cache: string, name: HubName): string | undefined {
  const commit = cachedCommit(cache, name);
  if (commit === undefined) return undefined;
  const folder = snapshotFolder(cache, name.repository, commit);
  return isWhole(folder) ? folder : undefined;
}

function isWhole(folder: string): boolean {
  try {
    // A link whose content is gone does not exist.
    const names = readdirSync(folder).filter((name) => existsSync(join(folder, name)));
    return neededFiles(names) !== undefined;
  } catch {
    return false;
  }
}

/** The reference of a model whose folder in the cache is `path`; undefined for any other path. */
export function referenceOf(cache: string, path: string): string | undefined {
  const inside = relative(cache, path);
  if (inside.startsWith('..') || isAbsolute(inside)) return undefined;
  const [repository = '', snapshots, commit = '', ...rest] = inside.split(sep);
  if (!repository.startsWith(prefix) || snapshots !== 'snapshots' || rest.length > 0) {
    return undefined;
  }
  const name = repository.slice(prefix.length).replaceAll('--', '/');
  const known = isCommit(commit) && parseHubName(name) !== undefined;
  return known ? hubReference(name, commit) : undefined;
}

/** Whether a content is in the cache; one of another size is not it. */
export function hasBlob(cache: string, repository: string, blob: string, size: number): boolean {
  const found = statSync(join(blobFolder(cache, repository), blob), { throwIfNoEntry: false });
  return found?.isFile() === true && found.size === size;
}

/** Whether a file of a commit is in the cache; without links, the content may be there alone. */
export function hasFile(snapshot: string, file: string, size: number): boolean {
  const found = statSync(join(snapshot, file), { throwIfNoEntry: false });
  return found?.isFile() === true && found.size === size;
}

/**
 * Puts a content at its place in a snapshot: as a relative link, as Python does, else (Windows gives links to
 * developers alone) as a second name of the same file, else by moving it there.
 */
export async function placeFile(
  snapshot: string,
  file: string,
  blob: string,
  makeLink = symlink,
): Promise<void> {
  const place = join(snapshot, file);
  await writing(place, mkdir(dirname(place), { recursive: true }));
  if ((await stat(place).catch(() => undefined)) !== undefined) return;
  // A link that leads nowhere.
  if ((await lstat(place).catch(() => undefined)) !== undefined) await writing(place, rm(place));
  try {
    await makeLink(relative(dirname(place), blob), place);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    await link(blob, place).catch(() => writing(place, renameOver(blob, place)));
  }
}

/** Notes which commit a branch or tag stands for now. */
export async function writeRef(cache: string, name: HubName, commit: string): Promise<void> {
  if (isCommit(name.revision) || cachedCommit(cache, name) === commit) return;
  const folder = join(repositoryFolder(cache, name.repository), 'refs');
  const file = join(folder, ...name.revision.split('/'));
  await writing(file, mkdir(dirname(file), { recursive: true }));
  await writeFileDurably(file, commit);
}
