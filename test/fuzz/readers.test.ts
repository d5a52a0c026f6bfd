/**
 * Every reader of foreign files, fuzzed under the guidance of coverage, for seconds. The long run is
 * `npx tsx build/fuzz.ts 200000`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fuzz } from './coverage-fuzzer.ts';
import { fuzzTargets } from './targets.ts';

const RUNS = 2_000;
const SEED = 1;
/** Far above what the slowest input takes, far below what a person would call hanging. */
const SLOWEST_MS = 3_000;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergewright-fuzz-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const names = fuzzTargets('').map(({ name }) => name);

describe(`${RUNS} inputs, guided by coverage`, () => {
  it.each(names)('%s', { timeout: 240_000 }, async (name) => {
    const target = fuzzTargets(folder).find((one) => one.name === name)!;
    const result = await fuzz(target, Math.ceil(RUNS * target.share), SEED);
    expect(result.slowestMs).toBeLessThan(SLOWEST_MS);
    // Guidance that never finds anything would guide nothing.
    expect(result.corpus).toBeGreaterThan(target.seeds.length);
  });
});
