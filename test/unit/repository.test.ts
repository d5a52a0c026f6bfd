import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { pureTests } from '../support/pure-tests.ts';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

function* filesUnder(folder: string): Generator<string> {
  for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const file = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* filesUnder(file);
    else yield file;
  }
}

describe('the lock file works with every registry', () => {
  const lock = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { resolved?: string; integrity?: string; version?: string }>;
  };

  test('it names no host', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved"/);
    expect(read('.npmrc')).not.toMatch(/:\/\//);
  });

  test('it pins the bytes of every package', () => {
    const unpinned = Object.entries(lock.packages)
      .filter(([where, { integrity }]) => where !== '' && integrity === undefined)
      .map(([where]) => where);
    expect(unpinned).toEqual([]);
  });
});

test('source files are named in kebab-case', () => {
  const named = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*\.(ts|mjs|cjs|sh)$/;
  const odd = ['main', 'electron', 'build', 'test']
    .filter((folder) => existsSync(path.join(root, folder)))
    .flatMap((folder) => [...filesUnder(folder)])
    .filter((file) => /\.(ts|mjs|cjs|sh)$/.test(file))
    .filter((file) => !named.test(path.basename(file)));
  expect(odd).toEqual([]);
});

test('tests that share a process leave it as they found it', () => {
  const changes =
    /\bvi\.(mock|doMock|stubEnv|stubGlobal|useFakeTimers)\(|process\.chdir\(|process\.env(\.\w+|\[[^\]]+\]) *\??= /;
  const files = pureTests.flatMap((folder) => [...filesUnder(folder)]);
  expect(files.length).toBeGreaterThan(50);
  const odd = files.filter((file) => file.endsWith('.test.ts') && changes.test(read(file)));
  expect(odd).toEqual([]);
});

/** [file, target] of each link and picture in `file` that leads to a file of ours. */
function linksOf(file: string): [file: string, target: string][] {
  const text = read(file).replace(/^```.*?^```/gms, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^\w+:/.test(target))
    .map((target) => [file, target]);
}

/** The anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(file: string): string[] {
  return [...read(file).matchAll(/^#+ +(.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('links of the documentation lead somewhere', () => {
  const folders = ['docs', 'assets'].flatMap((folder) => [...filesUnder(folder)]);
  const pages = ['README.md', 'CONTRIBUTING.md', ...folders.filter((file) => file.endsWith('.md'))];
  const links = pages.flatMap(linksOf);
  expect(links.length).toBeGreaterThan(30);
  const broken = links.filter(([file, target]) => {
    const [name = '', anchor] = target.split('#');
    const page = name === '' ? file : path.posix.join(path.posix.dirname(file), name);
    if (!existsSync(path.join(root, page))) return true;
    return anchor !== undefined && !anchorsOf(page).includes(anchor);
  });
  expect(broken).toEqual([]);
});

test('scripts that people and machines start are executable', () => {
  for (const file of ['build/bootstrap.sh', 'build/check.sh', '.ci/run']) {
    expect(statSync(path.join(root, file)).mode & 0o111, file).not.toBe(0);
  }
});
