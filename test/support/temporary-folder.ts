import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
export { filesBelow } from './files.ts';

const made: string[] = [];

// Said here, while the file's tests are collected: within a hook or a test it would not be heard.
afterAll(async () => {
  for (const folder of made) await rm(folder, { recursive: true, force: true });
});

/** A new folder outside of the repository, removed when the tests of the file are over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mergewright-test-'));
  made.push(folder);
  return folder;
}
