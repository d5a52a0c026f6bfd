import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { createReferenceEngine } from '../../../main/engine/reference/engine.ts';
import { exportModel } from '../../../main/exporting/export.ts';
import { loadExported } from '../../../main/exporting/load.ts';
import { compress, countBits, expand, isSparse } from '../../../main/exporting/sparse.ts';
import { exportSource, temporaryFolder } from './fixture.ts';

const folder = temporaryFolder();

it('gives back every value, in a bit for each place and a number for each that is not 0', () => {
  const value = fc.oneof(fc.constant(0), fc.float({ noNaN: true, noDefaultInfinity: true }));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 70 }), (numbers) => {
      const data = Float32Array.from(numbers, (x) => (x === 0 ? 0 : x));
      const { mask, values } = compress(data);
      expect(mask.length).toBe(Math.ceil(data.length / 8));
      expect(values.every((x) => x !== 0)).toBe(true);
      expect(countBits(mask)).toBe(values.length);
      expect(expand(data.length, mask, values)).toEqual(data);
    }),
  );
});

it('is worth it where a fifth or more is zero', () => {
  const zeros = (count: number) =>
    Float32Array.from({ length: 100 }, (_, i) => (i < count ? 0 : 1));
  expect([0, 20, 21, 100].map((count) => isSparse(zeros(count)))).toEqual([
    false,
    false,
    true,
    true,
  ]);
});

/** Changes the header of the weights, whose length stays. */
async function renamed(target: string, from: string, to: string): Promise<void> {
  const file = path.join(target, 'model.safetensors');
  const bytes = await readFile(file);
  const at = bytes.indexOf(from);
  expect(at).toBeGreaterThan(0);
  bytes.write(to, at);
  await writeFile(file, bytes);
}

test('a folder that lacks a part of its experts, or says another rank, is refused', async () => {
  const engine = createReferenceEngine();
  const [pruned, ranked] = [path.join(folder(), 'pruned'), path.join(folder(), 'ranked')];
  await exportModel(exportSource('e_wemoe'), 'safetensors', pruned, { engine });
  await exportModel(exportSource('rank_wemoe'), 'safetensors', ranked, { engine });
  const copy = path.join(folder(), 'copy');
  await cp(pruned, copy, { recursive: true });
  await renamed(copy, 'fc1.weight.task_vectors.values', 'fc1.weight.task_vectors.valuez');
  await expect(loadExported(copy)).rejects.toMatchObject({ code: 'export.unreadable' });
  const config = path.join(ranked, 'config.json');
  await writeFile(config, (await readFile(config, 'utf8')).replace('"rank": 3', '"rank": 4'));
  await expect(loadExported(ranked)).rejects.toMatchObject({ code: 'export.unreadable' });
});
