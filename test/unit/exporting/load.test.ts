import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { createReferenceEngine } from '../../../main/engine/reference/engine.ts';
import { exportModel } from '../../../main/exporting/export.ts';
import { loadExported } from '../../../main/exporting/load.ts';
import { exportSource, temporaryFolder } from './fixture.ts';

const folder = temporaryFolder();
let good = '';
let count = 0;

beforeAll(async () => {
  good = path.join(folder(), 'good');
  await exportModel(exportSource('wemoe1'), 'safetensors', good, {
    engine: createReferenceEngine(),
  });
});

type Json = Record<string, unknown>;

/** A copy of the good export, damaged by `damage`. */
async function damaged(damage: (copy: string) => Promise<void>): Promise<string> {
  const copy = path.join(folder(), `damaged-${count++}`);
  await cp(good, copy, { recursive: true });
  await damage(copy);
  return copy;
}

function changed(name: string, change: (json: Json) => void): Promise<string> {
  return damaged(async (copy) => {
    const file = path.join(copy, name);
    const json = JSON.parse(await readFile(file, 'utf8')) as Json;
    change(json);
    await writeFile(file, JSON.stringify(json));
  });
}

describe('loadExported refuses with one clear error', () => {
  test.each<[string, () => Promise<string>, string]>([
    [
      'a config.json of another program',
      () => changed('config.json', (json) => delete json['mergewright']),
      'export.unreadable',
    ],
    [
      'a router depth that does not exist',
      () => changed('config.json', (json) => (json['router_depth'] = 3)),
      'export.unreadable',
    ],
    [
      'a router depth the weights do not have',
      () => changed('config.json', (json) => (json['router_depth'] = 2)),
      'export.unreadable',
    ],
    [
      'another number of experts',
      () => changed('config.json', (json) => (json['expert_count'] = 4)),
      'export.unreadable',
    ],
    [
      'an architecture that does not fit the weights',
      () =>
        changed('config.json', (json) => {
          (json['vision_config'] as Json)['intermediate_size'] = 48;
        }),
      'model.shape_mismatch',
    ],
    [
      'a missing head',
      () => damaged((copy) => rm(path.join(copy, 'heads', 'letters.safetensors'))),
      'checkpoint.not_found',
    ],
    [
      'a head of other classes',
      () =>
        damaged((copy) =>
          cp(
            path.join(copy, 'heads', 'letters.safetensors'),
            path.join(copy, 'heads', 'digits.safetensors'),
          ),
        ),
      'export.unreadable',
    ],
    [
      'missing preprocessing',
      () => damaged((copy) => rm(path.join(copy, 'preprocessor_config.json'))),
      'export.unreadable',
    ],
    [
      'truncated weights',
      () =>
        damaged(async (copy) => {
          const file = path.join(copy, 'model.safetensors');
          await writeFile(file, (await readFile(file)).subarray(0, -8));
        }),
      'checkpoint.truncated',
    ],
  ])('%s', async (_what, make, code) => {
    await expect(loadExported(await make())).rejects.toMatchObject({ code });
  });

  test('the undamaged folder loads', async () => {
    expect((await loadExported(good)).kind).toBe('dynamic');
  });
});
