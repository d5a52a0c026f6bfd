import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { fileOfAddress } from '../../../electron/protocol.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

vi.mock('electron', () => ({ protocol: {} }));

async function site(): Promise<string> {
  const parent = await temporaryFolder();
  const folder = path.join(parent, 'window');
  mkdirSync(path.join(folder, 'assets'), { recursive: true });
  mkdirSync(path.join(parent, 'window-beside'));
  writeFileSync(path.join(parent, 'secret.js'), 'secret');
  writeFileSync(path.join(parent, 'window-beside/secret.js'), 'secret');
  writeFileSync(path.join(folder, 'index.html'), '');
  writeFileSync(path.join(folder, 'data.json'), '');
  writeFileSync(path.join(folder, '.hidden.js'), '');
  writeFileSync(path.join(folder, 'assets/index-Ab_1-x.js'), '');
  symlinkSync(path.join(parent, 'secret.js'), path.join(folder, 'link.js'));
  symlinkSync(path.join(parent, 'window-beside'), path.join(folder, 'away'));
  symlinkSync(path.join(folder, 'index.html'), path.join(folder, 'inside.html'));
  return folder;
}

test('files of the window are found', async () => {
  const folder = await site();
  const find = (address: string) => fileOfAddress(address, folder);
  expect(await find('app://mergewright/')).toBe(path.join(folder, 'index.html'));
  expect(await find('app://mergewright/index.html?x#y')).toBe(path.join(folder, 'index.html'));
  expect(await find('app://mergewright/assets/index-Ab_1-x.js')).toBe(
    path.join(folder, 'assets/index-Ab_1-x.js'),
  );
  expect(await find('app://mergewright/inside.html')).toBe(path.join(folder, 'index.html'));
});

/** Ways to write "up" and separators, plain and encoded once or twice. */
const ups = [
  '..',
  '%2e%2e',
  '.%2e',
  '%252e%252e',
  '..;',
  '\u002e\u002e',
  '%c0%ae%c0%ae',
  '....',
  '..%00',
];
const separators = ['/', '%2f', '\\', '%5c', '//', '%252f', '/./', '\u2215', '/%00/'];
const targets = ['secret.js', 'window-beside/secret.js', 'etc/passwd'];

describe('everything else is not', () => {
  const tricks = ups.flatMap((up) =>
    separators.flatMap((separator) =>
      targets.map((target) => `app://mergewright/${up}${separator}${target}`),
    ),
  );

  test(`${tricks.length} ways up`, async () => {
    const folder = await site();
    for (const trick of tricks) expect(await fileOfAddress(trick, folder), trick).toBeUndefined();
  });

  test.each([
    'app://mergewright/link.js',
    'app://mergewright/away/secret.js',
    'app://mergewright/.hidden.js',
    'app://mergewright/assets',
    'app://mergewright/assets/',
    'app://mergewright/data.json',
    'app://mergewright/missing.js',
    'app://mergewright//index.html',
    'app://mergewright/index.html/',
    'app://mergewright/index.html%00.js',
    'app://mergewright/C:/Windows/win.ini',
    'app://mergewright///server/share/x.js',
    'app://mergewright:80/index.html',
    'app://user@mergewright/index.html',
    'app://mergewright.evil.example/index.html',
    'app://MERGEWRIGHT@evil/index.html',
    'app://other/index.html',
    'app:///index.html',
    'https://mergewright/index.html',
    'file:///etc/passwd',
    'nonsense',
    '',
  ])('%s', async (address) => {
    expect(await fileOfAddress(address, await site())).toBeUndefined();
  });
});
