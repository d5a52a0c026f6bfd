import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

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

test('scripts that people and machines start are executable', () => {
  for (const file of ['build/bootstrap.sh', 'build/check.sh', '.ci/run']) {
    expect(statSync(path.join(root, file)).mode & 0o111, file).not.toBe(0);
  }
});
