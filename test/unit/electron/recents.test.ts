import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { openRecents } from '../../../electron/recents.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const nothing = (): void => undefined;

test('the last opened comes first, once, and keeps its id across starts', async () => {
  const file = path.join(await temporaryFolder(), 'deep/recents.json');
  const changed = vi.fn();
  const recents = openRecents(file, changed);
  await recents.add('/a', 'A');
  const id = recents.list()[0]!.id;
  await recents.add('/b', 'B');
  await recents.add('/a', 'A, renamed');
  expect(changed).toHaveBeenCalledTimes(3);
  const again = openRecents(file, nothing);
  expect(again.list().map(({ title }) => title)).toEqual(['A, renamed', 'B']);
  expect(again.find(id)).toEqual({ id, path: '/a', title: 'A, renamed' });
});

test('ten are kept', async () => {
  const recents = openRecents(path.join(await temporaryFolder(), 'recents.json'), nothing);
  for (let i = 0; i < 13; i++) await recents.add(`/p${i}`, `P${i}`);
  expect(recents.list()).toHaveLength(10);
  expect(recents.list()[0]?.title).toBe('P12');
});

test('one can be forgotten, for good', async () => {
  const file = path.join(await temporaryFolder(), 'recents.json');
  const recents = openRecents(file, nothing);
  await recents.add('/a', 'A');
  await recents.add('/b', 'B');
  await recents.forget(recents.list()[0]!.id);
  await recents.forget('0'.repeat(32));
  expect(
    openRecents(file, nothing)
      .list()
      .map(({ path: place }) => place),
  ).toEqual(['/a']);
});

test('changes at the same time are all written, the last one last', async () => {
  const file = path.join(await temporaryFolder(), 'recents.json');
  const recents = openRecents(file, nothing);
  await Promise.all(['/a', '/b', '/c'].map((place) => recents.add(place, place)));
  expect(
    openRecents(file, nothing)
      .list()
      .map(({ path: place }) => place),
  ).toEqual(['/c', '/b', '/a']);
});

test.each(['', '[]', '{"version":2,"projects":[]}', '{"version":1,"projects":[{"id":"x"}]}'])(
  'a file with %j counts as none',
  async (content) => {
    const file = path.join(await temporaryFolder(), 'recents.json');
    writeFileSync(file, content);
    expect(openRecents(file, nothing).list()).toEqual([]);
    expect(existsSync(file)).toBe(true);
  },
);
