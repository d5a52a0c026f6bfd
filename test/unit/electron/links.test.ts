import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { adaptiveMethods } from '../../../main/adaptation/methods.ts';
import { statisticsMethods } from '../../../main/adaptation/statistics/methods.ts';
import { knownLinks } from '../../../main/api/links.ts';
import { methods } from '../../../main/merging/index.ts';
import { combinationRecords } from '../../../main/merging/lora/combination-records.ts';
import { extractionRecords } from '../../../main/merging/lora/extraction-records.ts';

test('every paper of a method can be opened', () => {
  const missing = [
    ...[...methods, ...statisticsMethods, ...adaptiveMethods],
    ...[...combinationRecords, ...extractionRecords],
  ]
    .filter(({ paper }) => !knownLinks.includes(paper.url))
    .map(({ paper, title }) => `  '${paper.url}', // ${title}`);
  expect([...new Set(missing)], 'add these lines to main/api/links.ts').toEqual([]);
});

test('all addresses are https', () => {
  for (const link of knownLinks) expect(new URL(link).protocol).toBe('https:');
});

describe('the sources of the shell', () => {
  const root = path.resolve(import.meta.dirname, '../../..');
  const files = readdirSync(path.join(root, 'electron'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({ file, text: readFileSync(path.join(root, 'electron', file), 'utf8') }));
  const having = (pattern: RegExp): string[] =>
    files.filter(({ text }) => pattern.test(text)).map(({ file }) => file);

  test('open message channels in one place', () => {
    expect(having(/\bipcMain\b/)).toEqual(['ipc.ts']);
    expect(having(/\bipcRenderer\b/)).toEqual(['preload/preload.ts']);
  });

  test('expose nothing to the page', () => {
    expect(having(/contextBridge/)).toEqual([]);
  });

  test('open addresses of the table only', () => {
    expect(having(/openExternal/)).toEqual(['shell-service.ts']);
    const calls = files.flatMap(({ text }) => text.match(/openExternal\([^)]*\)/g) ?? []);
    expect(calls).toEqual(['openExternal(known)']);
  });

  test('never weaken a page', () => {
    expect(
      having(
        /nodeIntegration\w*: true|contextIsolation: false|sandbox: false|webSecurity: false|allowRunningInsecureContent|experimentalFeatures|enableBlinkFeatures|webviewTag: true|bypassCSP|disable-web-security/,
      ),
    ).toEqual([]);
  });
});
