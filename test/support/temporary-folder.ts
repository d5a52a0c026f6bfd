import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
export { filesBelow } from './files.ts';

const made: string[] = [];

/** A new folder outside of the repository, removed when the tests of the file are over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mergewright-test-'));
  made.push(folder);
  return folder;
}

/** Removes every folder that `temporaryFolder` made and that is still there. */
export async function removeTemporaryFolders(): Promise<void> {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true });
}
