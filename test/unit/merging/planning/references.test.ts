import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { resolveReference, splitReference } from '../../../../main/merging/planning/references.ts';
import { readMergeFile } from '../../../../main/merging/planning/read-recipe.ts';
import { expectFailure } from '../../../support/app-errors.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

let folder = '';
beforeAll(async () => {
  folder = await temporaryFolder();
  for (const name of ['model', 'adapter', 'c++', 'files']) await mkdir(join(folder, name));
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const resolved = (reference: string) => resolveReference(reference, [folder], 'm.yml, line 2');

test('paths are seen from the folder; an adapter stands behind a "+"', () => {
  expect(resolved('model')).toBe(join(folder, 'model'));
  const both = resolved('model+adapter');
  expect(both).toBe(`${join(folder, 'model')}+${join(folder, 'adapter')}`);
  expect(splitReference(both)).toEqual({
    model: join(folder, 'model'),
    adapter: join(folder, 'adapter'),
  });
});

test('a "+" may belong to a name', () => {
  expect(splitReference(resolved('c++'))).toEqual({
    model: join(folder, 'c++'),
    adapter: undefined,
  });
});

test('the first folder that has it counts', () => {
  expect(resolveReference('model', [join(folder, 'files'), folder], '')).toBe(
    join(folder, 'model'),
  );
});

test('what is no name of the Hub is left to the readers', () => {
  expect(resolved('./gone/model')).toBe(join(folder, 'gone', 'model'));
  expect(resolved('gone')).toBe(join(folder, 'gone'));
});

describe('a name of the Hub', () => {
  test('is refused with what to do', async () => {
    vi.stubEnv('HF_HUB_CACHE', join(folder, 'nothing'));
    const failure = await expectFailure(() => resolved('org/name@main'), 'recipe.hub_model');
    expect(failure.where).toBe('m.yml, line 2');
    expect(failure.hint).toContain('hf download org/name"');
  });

  test('is found where the Hub’s own programs keep it', async () => {
    vi.stubEnv('HF_HUB_CACHE', join(folder, 'hub'));
    const kept = join(folder, 'hub', 'models--org--name');
    await mkdir(join(kept, 'refs'), { recursive: true });
    await mkdir(join(kept, 'snapshots', 'abc123'), { recursive: true });
    await writeFile(join(kept, 'refs', 'main'), 'abc123');
    expect(resolved('org/name')).toBe(join(kept, 'snapshots', 'abc123'));
    expect(resolved('org/name@abc123')).toBe(join(kept, 'snapshots', 'abc123'));
  });

  test('a ref cannot lead out of the cache', async () => {
    vi.stubEnv('HF_HUB_CACHE', join(folder, 'hub'));
    const kept = join(folder, 'hub', 'models--org--evil');
    await mkdir(join(kept, 'refs'), { recursive: true });
    await mkdir(join(kept, 'snapshots'), { recursive: true });
    await writeFile(join(kept, 'refs', 'main'), '../../..');
    await expectFailure(() => resolved('org/evil'), 'recipe.hub_model');
  });
});

test('paths of a mergekit file are seen from its folder where the current one lacks them', () => {
  const text = 'merge_method: linear\nmodels: [{ model: model, parameters: { weight: 1 } }]';
  const { recipe } = readMergeFile(text, join(folder, 'm.yml'));
  expect(recipe.slices[0]?.experts[0]?.model).toBe(join(folder, 'model'));
});
