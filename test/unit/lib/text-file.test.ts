import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readError, readTextFile } from '../../../main/lib/text-file.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

test('reads text', async () => {
  const path = join(await temporaryFolder(), 'note.txt');
  await writeFile(path, 'λ\n');
  expect(await readTextFile(path)).toBe('λ\n');
});

test('names the file that cannot be read, and why', async () => {
  const folder = await temporaryFolder();
  await expect(readTextFile(folder)).rejects.toMatchObject({
    code: 'file.read_failed',
    what: 'the file cannot be read (EISDIR)',
    where: folder,
  });
});

test('other errors pass through', () => {
  const error = new Error('a bug');
  expect(readError(error, 'x')).toBe(error);
});
