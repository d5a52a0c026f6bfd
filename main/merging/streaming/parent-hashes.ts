/**
 * The SHA-256 of the files a merge was made from. Hashing takes longer than merging, so it has a thread of
 * its own, and what was hashed once is remembered by device, inode, size and time of change.
 */
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { StoredCheckpoint } from '../../checkpoints/checkpoint.ts';
import { WeightFile } from '../../checkpoints/weight-file.ts';
import { cacheFolder } from '../../lib/cache-folder.ts';
import type { ThreadPool } from './thread-pool.ts';

export interface ParentFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Parent {
  /** The last part of the path that was given: whole paths mean nothing elsewhere. */
  readonly name: string;
  readonly files: readonly ParentFile[];
}

/** Stands for a hash that is not known yet; as long as one. */
const UNKNOWN = '0'.repeat(64);

/** Where hashes are remembered unless a caller says otherwise. */
export function hashCachePath(): string {
  return join(cacheFolder(), 'sha256.jsonl');
}

/** The parents with their sizes, before anything is hashed. */
export async function describeParents(checkpoints: readonly StoredCheckpoint[]): Promise<Parent[]> {
  return mapParents(checkpoints, async (file) => ({
    name: basename(file.path),
    bytes: file.size,
    sha256: UNKNOWN,
  }));
}

/** Hashes in the first thread of `pool`. Throws what reading throws. */
export async function hashParents(
  checkpoints: readonly StoredCheckpoint[],
  pool: ThreadPool,
  cachePath: string,
): Promise<Parent[]> {
  const known = await readCache(cachePath);
  return mapParents(checkpoints, async ({ path, size, identity }) => {
    const key = [path, identity.dev, identity.ino, identity.size, identity.mtimeNs].join(' ');
    let sha256 = known.get(key);
    if (sha256 === undefined) {
      sha256 = await pool.first('hashFile', { file: path, identity });
      known.set(key, sha256);
      await remember(cachePath, key, sha256);
    }
    return { name: basename(path), bytes: size, sha256 };
  });
}

async function mapParents(
  checkpoints: readonly StoredCheckpoint[],
  describe: (file: WeightFile) => Promise<ParentFile>,
): Promise<Parent[]> {
  const parents: Parent[] = [];
  for (const { path, source } of checkpoints) {
    const files: ParentFile[] = [];
    for (const file of source.files) files.push(await describe(await WeightFile.open(file)));
    parents.push({ name: basename(path), files });
  }
  return parents;
}

async function readCache(path: string): Promise<Map<string, string>> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const known = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [key, sha256] = parseLine(line);
    if (typeof key === 'string' && typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256)) {
      known.set(key, sha256);
    }
  }
  return known;
}

function parseLine(line: string): unknown[] {
  try {
    const value: unknown = JSON.parse(line);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

/** A cache that cannot be written is none; the merge does not depend on it. */
async function remember(path: string, key: string, sha256: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await appendFile(path, `\n${JSON.stringify([key, sha256])}\n`);
  } catch {
    return;
  }
}
