import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { formatHubName } from '../../../../main/hub/name.ts';
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

/** The resolved reference, or which model of the Hub it lacks. */
function resolved(reference: string): string {
  let missing: string | undefined;
  const path = resolveReference(reference, [folder], (name) => (missing = formatHubName(name)));
  return missing === undefined ? path : `missing ${missing}`;
}

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
  expect(resolveReference('model', [join(folder, 'files'), folder], () => undefined)).toBe(
    join(folder, 'model'),
  );
});

test('what is no name of the Hub is left to the readers', () => {
  expect(resolved('./gone/model')).toBe(join(folder, 'gone', 'model'));
  expect(resolved('gone')).toBe(join(folder, 'gone'));
});

describe('a name of the Hub', () => {
  const commit = 'abc123'.padEnd(40, '0');
  const recipe = (...models: string[]) =>
    `merge_method: linear\nmodels:\n${models.map((model) => `  - { model: '${model}', parameters: { weight: 1 } }`).join('\n')}`;

  test('that is not here is refused, all of them at once, with what to do', async () => {
    vi.stubEnv('HF_HUB_CACHE', join(folder, 'nothing'));
    const text = recipe('org/name@v1', 'hub:openai/clip-vit-base-patch32');
    const failure = await expectFailure(
      () => readMergeFile(text, join(folder, 'm.yml')),
      'hub.not_downloaded',
    );
    expect(failure.where).toBe(join(folder, 'm.yml'));
    expect(failure.hint).toContain('hub get org/name@v1 openai/clip-vit-base-patch32"');
    const known = await expectFailure(
      () => readMergeFile(recipe('openai/clip-vit-base-patch32'), 'm.yml'),
      'hub.not_downloaded',
    );
    expect(known.hint).toContain('(about 605 MB)');
  });

  test('is found where the Hub’s own programs keep it', async () => {
    vi.stubEnv('HF_HUB_CACHE', join(folder, 'hub'));
    const kept = join(folder, 'hub', 'models--org--name');
    await mkdir(join(kept, 'refs'), { recursive: true });
    await mkdir(join(kept, 'snapshots', commit), { recursive: true });
    await writeFile(join(kept, 'refs', 'main'), commit);
    expect(resolved('org/name')).toBe('missing org/name');
    await writeFile(join(kept, 'snapshots', commit, 'model.safetensors'), '');
    for (const name of ['org/name', 'hub:org/name', `org/name@${commit}`]) {
      expect(resolved(name)).toBe(join(kept, 'snapshots', commit));
    }
  });

  test('a ref cannot lead out of the cache', async () => {
    vi.stubEnv('HF_HUB_CACHE', join(folder, 'hub'));
    const kept = join(folder, 'hub', 'models--org--evil');
    await mkdir(join(kept, 'refs'), { recursive: true });
    await mkdir(join(kept, 'snapshots'), { recursive: true });
    await writeFile(join(kept, 'refs', 'main'), '../../..');
    expect(resolved('org/evil')).toBe('missing org/evil');
  });
});

test('paths of a mergekit file are seen from its folder where the current one lacks them', () => {
  const text = 'merge_method: linear\nmodels: [{ model: model, parameters: { weight: 1 } }]';
  const { recipe } = readMergeFile(text, join(folder, 'm.yml'));
  expect(recipe.slices[0]?.experts[0]?.model).toBe(join(folder, 'model'));
});
