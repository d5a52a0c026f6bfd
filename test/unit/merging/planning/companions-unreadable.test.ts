/** Files that are there but cannot be read: a merge must not go on as if they were not. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { companionFiles } from '../../../../main/merging/planning/companions.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

it('a configuration that cannot be read is an error, not a missing one', async () => {
  const folder = await temporaryFolder();
  // Reading a folder fails as a broken disk does, only with another errno.
  await mkdir(join(folder, 'config.json'));
  const sources = { configFolder: folder, tokenizerFolder: folder, chatTemplate: undefined };
  const changes = { layers: undefined, vocabularySize: undefined, dtype: undefined, untied: false };
  expect(() => companionFiles(sources, 2, changes)).toThrow(/config\.json/);
});
