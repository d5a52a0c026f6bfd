import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { commands } from '../../../main/cli/commands/index.ts';
import { byteCount } from '../../../main/cli/merge-input.ts';
import { runProgram } from '../../../main/cli/main.ts';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { archive, fourValues, stateDict, tensor } from '../checkpoints/pytorch-files.ts';
import { llama, storeModel } from '../merging/planning/models.ts';

let folder = '';
const at = (name: string) => join(folder, name);

const filled = (value: number) =>
  Object.fromEntries(
    Object.entries(llama()).map(([name, { shape }]) => [
      name,
      { shape, data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => value) },
    ]),
  );

beforeAll(async () => {
  folder = await temporaryFolder();
  process.env['XDG_CACHE_HOME'] = at('cache');
  await storeModel(at('one'), filled(1));
  await storeModel(at('three'), filled(3));
  await storeModel(at('larger'), llama({ vocabulary: 9 }));
});

async function call(...words: readonly string[]) {
  const said = { out: '', err: '' };
  const code = await runProgram(words, {
    commands,
    version: '0',
    env: {},
    signal: new AbortController().signal,
    stdout: { write: (text) => (said.out += text) },
    stderr: { write: (text) => (said.err += text) },
  });
  return { code, ...said };
}

async function someValue(path: string): Promise<number | undefined> {
  const model = await openCheckpoint(path);
  const { data } = await model.read('model.norm.weight');
  await model.close();
  return data[0];
}

test('flags alone merge two models; the recipe beside the result gives it again', async () => {
  const words = ['--set', 'weight=3,1', at('one'), at('three'), '--out', at('merged')];
  const { code, out } = await call('merge', '--method', 'linear', '--threads', '1', ...words);
  expect([code, out]).toEqual([0, expect.stringMatching(/^Merged 2 models with linear into /)]);
  expect(await someValue(at('merged'))).toBe(1.5);

  const recipe = join(at('merged'), 'recipe.yaml');
  const again = await call('merge', recipe, '--threads', '1', '--out', at('again'), '--json');
  expect(again.code).toBe(0);
  expect(JSON.parse(again.out)).toMatchObject({ method: 'linear', resumed: false });
  const [first, second] = await Promise.all(
    ['merged', 'again'].map((name) => readFile(join(at(name), 'model.safetensors'))),
  );
  expect(second!.equals(first!)).toBe(true);
});

test('a PyTorch file whose bytes changed stops the merge, unless its checksums are to be ignored', async () => {
  const pickled = stateDict(['weight', tensor()]);
  await writeFile(at('sound.pt'), archive(pickled));
  const bytes = archive(pickled);
  bytes[bytes.indexOf(fourValues) + 3]! ^= 1;
  await writeFile(at('damaged.pt'), bytes);
  const merge = ['merge', '--method', 'linear', at('sound.pt'), at('damaged.pt')];

  const stopped = await call(...merge, '--out', at('unchecked'));
  expect(stopped.code).not.toBe(0);
  expect(stopped.err).toContain('checkpoint.checksum_mismatch');
  expect(existsSync(at('unchecked'))).toBe(false);

  const fix = `ignore-checksums=${at('damaged.pt')}`;
  const { code } = await call(...merge, '--fix', fix, '--out', at('unchecked'));
  expect(code).toBe(0);
  expect(await readFile(join(at('unchecked'), 'recipe.yaml'), 'utf8')).toContain(fix);
});

test('a mergekit file runs as it is', async () => {
  const models = ['one', 'three'].map((name) => `  - model: ${at(name)}\n`).join('');
  const text = `merge_method: linear\nparameters: { weight: 1 }\ndtype: bfloat16\nmodels:\n${models}`;
  await writeFile(at('mergekit.yml'), text);
  const words = [at('mergekit.yml'), '--threads', '1', '--out', at('by-file')];
  const { code, err } = await call('merge', ...words);
  expect(code).toBe(0);
  expect(err).toContain('dtype bf16 is used for the result only');
  expect(await someValue(at('by-file'))).toBe(2);
});

test('a merge that cannot succeed does not start', async () => {
  const words = ['--method', 'linear', at('one'), at('larger'), '--out', at('never')];
  const { code, err } = await call('merge', ...words);
  expect(code).toBe(1);
  expect(err).toMatch(
    /^error\[merge\.preflight\]: Vocabularies of different size: .*--fix embeddings=crop/,
  );
  expect(existsSync(at('never'))).toBe(false);
  const fixed = await call('merge', ...words, '--threads', '1', '--fix', 'embeddings=crop');
  expect(fixed.code).toBe(0);
});

describe('check', () => {
  test('prints findings and fails where the merge would', async () => {
    const { code, out } = await call('check', '--method', 'linear', at('one'), at('larger'));
    expect(code).toBe(1);
    expect(out).toMatch(/^error: Vocabularies of different size: .*larger has 9 rows/);
    expect(out).toContain('tensors: model.embed_tokens.weight, lm_head.weight');
    expect(out).toContain('to fix: --fix embeddings=crop');
    expect(out).toMatch(/This merge cannot succeed: 1 error\.\n$/);
  });

  test('is data with --json, and well where all fits', async () => {
    const words = ['--method', 'linear', at('one'), at('three'), '--json'];
    const { code, out } = await call('check', ...words);
    expect(code).toBe(0);
    const { possible, findings } = JSON.parse(out) as {
      possible: boolean;
      findings: readonly { id: string }[];
    };
    expect(possible).toBe(true);
    // How long it will take is known where an earlier merge of the size was timed.
    expect(findings.filter(({ id }) => id !== 'time')).toEqual([]);
  });

  test('reads values where it is asked to', async () => {
    await storeModel(at('broken'), {
      ...filled(1),
      'model.norm.weight': { shape: [4], data: [1, NaN, Infinity, 1] },
    });
    const words = ['--method', 'ties', '--base', at('one'), at('broken'), at('three')];
    const { code, out } = await call('check', ...words, '--scan', '--distance');
    expect(code).toBe(1);
    expect(out).toMatch(/NaN or infinite values: .*broken has 2 NaN or infinite values/);
    expect(out).toMatch(/warning: Far from the base: .*three is 2\.0 times the norm/);
  });
});

test.each([
  [['merge', 'one', '--out', 'x'], 'models without a recipe need --method'],
  [['merge', 'a.yml', '--out', 'x', '--memory', 'lots', '--method', 'ties'], 'there is no recipe'],
  [['check', 'MERGEKIT', '--set', 'weight=1'], '--set is for merges without a file'],
])('%j is refused', async (words, message) => {
  const { code, err } = await call(
    ...words.map((word) => (word === 'MERGEKIT' ? at('mergekit.yml') : word)),
  );
  expect(code).toBeGreaterThan(0);
  expect(err).toContain(message);
});

test('sizes are decimal or binary', () => {
  expect(['2GB', '1.5 gib', '512M', '100'].map((text) => byteCount(text, '--memory'))).toEqual([
    2e9,
    1.5 * 2 ** 30,
    512e6,
    100,
  ]);
  expect(() => byteCount('much', '--memory')).toThrow('--memory must be a size');
});
