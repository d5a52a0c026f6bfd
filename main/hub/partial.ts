/**
 * Unfinished downloads beside the contents of the cache. The name of one says which content it becomes and
 * which process writes it, so that another one goes on with it only when that process is gone.
 */
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { writing } from '../lib/durable-file.ts';
import { isAbandoned, releaseTemporary, temporaryName } from '../lib/durable.ts';

export interface Partial {
  readonly path: string;
  readonly handle: FileHandle;
  readonly size: number;
}

function nameFor(blob: string): string {
  return `${blob}${temporaryName('part')}`;
}

/** The paths of what was begun of a content and is nobody's now, the longest first. */
async function abandoned(folder: string, blob: string): Promise<string[]> {
  const found: { path: string; size: number }[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${blob}.`)) continue;
    const path = join(folder, name);
    const file = await stat(path).catch(() => undefined);
    if (file?.isFile() !== true || !(await isAbandoned(path))) continue;
    found.push({ path, size: file.size });
  }
  return found.sort((a, b) => b.size - a.size).map(({ path }) => path);
}

/** Takes over what an earlier process has begun of a content, or begins it. */
export async function takePartial(folder: string, blob: string): Promise<Partial> {
  const path = join(folder, nameFor(blob));
  for (const old of await abandoned(folder, blob)) {
    // Of two processes that try, one is too late.
    const taken = await rename(old, path).then(
      () => true,
      () => false,
    );
    if (!taken) continue;
    const handle = await writing(path, open(path, 'r+'));
    return { path, handle, size: (await handle.stat()).size };
  }
  return { path, handle: await writing(path, open(path, 'wx+')), size: 0 };
}

/** Leaves it for a later attempt. */
export async function leavePartial({ path, handle }: Partial): Promise<void> {
  await handle.close().catch(() => undefined);
  releaseTemporary(path);
}

export async function removePartial({ path, handle }: Partial): Promise<void> {
  await handle.close().catch(() => undefined);
  await rm(path, { force: true });
}

/** How many bytes of a content were left by an earlier attempt. */
export async function partialBytes(folder: string, blob: string): Promise<number> {
  const [longest] = await abandoned(folder, blob).catch(() => []);
  if (longest === undefined) return 0;
  return (await stat(longest).catch(() => undefined))?.size ?? 0;
}
