import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StoredCheckpoint } from '../../../../main/checkpoints/checkpoint.ts';
import { normals, randomStream } from '../../../../main/lib/random.ts';
import { methods } from '../../../../main/merging/index.ts';
import { linearAlgebra } from '../../../../main/merging/linear-algebra.ts';
import type { Group, Method } from '../../../../main/merging/method.ts';
import { resolveSettings } from '../../../../main/merging/settings.ts';
import { budgetOf } from '../../../../main/merging/streaming/budget.ts';
import { methodNamed, planOf, storeModels } from './plans.ts';

const MIB = 2 ** 20;
let folder = '';
let models: StoredCheckpoint[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergewright-budget-'));
  models = await storeModels(folder, { weight: [64, 64] }, ['F32', 'F32', 'F32', 'F32']);
});
afterAll(() => rm(folder, { recursive: true }));

/** Of all typed arrays in plain data. */
function bytesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (ArrayBuffer.isView(value)) return value.buffer.byteLength;
  const members = value instanceof Map ? [...value.values()] : Object.values(value);
  return members.reduce<number>((sum, member) => sum + bytesIn(member), 0);
}

describe.each(methods.filter(({ passes }) => passes !== undefined).map((method) => [method.id]))(
  '%s',
  (id) => {
    it('counts in no pass with more memory than it says', () => {
      const experts = [1, 2, 3].map((k) => normals(randomStream('expert', k), 6000, 1));
      const group: Group = {
        name: 'weight',
        shape: [60, 100],
        offset: 0,
        base: new Float32Array(6000),
        experts,
      };
      const method: Method = methodNamed(id);
      const { parameters, settings } = resolveSettings(method, {}, experts.length, 'test');
      const totals = { expertCount: experts.length, valueCount: 6000 };
      let prepared: unknown;
      for (const pass of method.passes!(parameters, settings)) {
        const tally = pass.begin(totals, prepared);
        pass.add(tally, group, parameters, { settings, prepared, seed: 1, linear: linearAlgebra });
        expect(bytesIn(tally)).toBeLessThanOrEqual(pass.tallyBytes?.(totals) ?? MIB / 8);
        prepared = pass.finish(tally, prepared, totals);
      }
    });
  },
);

describe('a method that counts', () => {
  const counting = () => planOf(models, methodNamed('pcb'), {}, 'F32');
  const plain = () => planOf(models, methodNamed('task_arithmetic'), {}, 'F32');

  it.each([1, 2, 4])('has counts in each of %i threads and in the main one', (threads) => {
    const limits = { threads, ceilingBytes: Infinity };
    const more = budgetOf(counting(), limits).peakBytes - budgetOf(plain(), limits).peakBytes;
    // Tables of 2^19 counts in fp64 for three experts.
    const tables = 3 * 2 ** 19 * 8;
    expect(more).toBeGreaterThanOrEqual((threads + 1) * tables);
    expect(more).toBeLessThan((threads + 1) * tables + MIB);
  });

  it('has fewer threads under a ceiling, and none where one does not fit', () => {
    const alone = budgetOf(counting(), { threads: 1, ceilingBytes: Infinity }).peakBytes;
    const kept = budgetOf(counting(), { threads: 8, ceilingBytes: alone + 150 * MIB });
    expect(kept.threads).toBe(2);
    expect(kept.peakBytes).toBeLessThanOrEqual(alone + 150 * MIB);
    expect(() => budgetOf(counting(), { threads: 8, ceilingBytes: alone - 20 * MIB })).toThrow(
      expect.objectContaining({ code: 'merge.memory_ceiling' }) as Error,
    );
  });
});
