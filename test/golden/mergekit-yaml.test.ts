/** mergekit's own results for its own files (mergekit_yaml.py, mergekit 0.1.5). */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../main/checkpoints/open.ts';
import { prepareMerge } from '../../main/merging/planning/prepare.ts';
import { readMergeFile } from '../../main/merging/planning/read-recipe.ts';
import { executePlan } from '../../main/merging/streaming/execute-plan.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = fileURLToPath(new URL('mergekit-yaml/', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.yml'));

/**
 * mergekit computes in fp32, cosines and sums of squares too. Where two changes of a row nearly oppose each other
 * (the worst has the cosine −0.976), Model Stock goes up to 83 times their mean, and this rounding with it.
 */
const tolerances: Readonly<Record<string, number>> = { 'model-stock-rows.yml': 1e-5 };

let target = '';
beforeAll(async () => {
  target = await temporaryFolder();
});

async function mergeFile(text: string, path: string, out: string): Promise<void> {
  const { recipe } = readMergeFile(text, path);
  const limits = { out, overwrite: false, threads: 1, ceilingBytes: 2 ** 30 };
  const { plan, findings, close } = await prepareMerge(recipe, limits);
  if (plan === undefined) throw new Error(JSON.stringify(findings));
  await executePlan(plan, out, { threads: 1, hashCache: join(target, 'hashes.jsonl') });
  await close();
}

describe.each(files)('%s', (file) => {
  const path = join(folder, file);
  const out = () => join(target, file.replace('.yml', ''));

  test('gives what mergekit gives', async () => {
    await mergeFile(readFileSync(path, 'utf8'), path, out());
    const golden = await openCheckpoint(path.replace('.yml', '.safetensors'));
    const merged = await openCheckpoint(out());
    expect([...merged.tensors.keys()].sort()).toEqual([...golden.tensors.keys()].sort());
    for (const name of golden.tensors.keys()) {
      const [expected, found] = [await golden.read(name), await merged.read(name)];
      expect(found.shape).toEqual(expected.shape);
      const tolerance = tolerances[file] ?? 5e-7;
      for (const [index, value] of expected.data.entries()) {
        expect(Math.abs(found.data[index]! - value), `${name}[${index}]`).toBeLessThan(tolerance);
      }
    }
  });

  test('leaves a recipe that gives the same bytes', async () => {
    const recipe = join(out(), 'recipe.yaml');
    const again = `${out()}-again`;
    await mergeFile(readFileSync(recipe, 'utf8'), recipe, again);
    const [first, second] = [out(), again].map((at) => readFileSync(join(at, 'model.safetensors')));
    expect(second!.equals(first!)).toBe(true);
  });
});

test('config.json of stacked layers has their number', async () => {
  const config = readFileSync(join(target, 'passthrough', 'config.json'), 'utf8');
  expect(JSON.parse(config)).toMatchObject({ num_hidden_layers: 6, hidden_size: 4 });
});
