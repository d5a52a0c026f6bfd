/** What an interrupted merge has left beside the place of its result. */
import { rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { abandonedMerges, writing } from '../../lib/durable.ts';
import { Journal } from '../../merging/streaming/journal.ts';

/** Folders of interrupted merges to this place. */
export async function unfinishedMerges(output: string): Promise<readonly string[]> {
  const left = await abandonedMerges(dirname(output)).catch(() => []);
  return left.filter((folder) => Journal.open(folder)?.state.head.target === basename(output));
}

export async function discardUnfinished(output: string): Promise<void> {
  for (const folder of await unfinishedMerges(output)) {
    await writing(folder, rm(folder, { recursive: true, force: true }));
  }
}
