import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { estimateSeconds, recordThroughput } from '../../../../main/merging/planning/throughput.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

let cache: string;

beforeEach(async () => {
  cache = await temporaryFolder();
  vi.stubEnv('XDG_CACHE_HOME', cache);
});

describe('the estimate', () => {
  it('is that of the last merge by the same method, in proportion beside the start', () => {
    expect(estimateSeconds('ties', 1e9)).toBeUndefined();
    recordThroughput('ties', 1e9, 2300);
    recordThroughput('linear', 1e9, 800);
    // 0.3 s to start, 2 s and half a second a gigabyte.
    expect(estimateSeconds('ties', 3e9)).toBeCloseTo(6.3);
    expect(estimateSeconds('linear', 3e9)).toBeCloseTo(1.8);
    recordThroughput('ties', 2e9, 2300);
    expect(estimateSeconds('ties', 4e9)).toBeCloseTo(4.3);
  });

  it('of a tiny merge is never shorter than the fastest merge there was', () => {
    recordThroughput('ties', 1e9, 2000);
    recordThroughput('linear', 1e5, 150);
    expect(estimateSeconds('ties', 1000)).toBeCloseTo(0.15, 3);
    expect(estimateSeconds('linear', 1000)).toBeCloseTo(0.15, 3);
  });

  it('of a small merge follows a small merge, that of a large one never does', () => {
    recordThroughput('linear', 1e4, 100);
    recordThroughput('iso_c', 1e6, 5100);
    expect(estimateSeconds('iso_c', 2e6)).toBeCloseTo(10.1);
    expect(estimateSeconds('iso_c', 1e8)).toBeUndefined();
    recordThroughput('iso_c', 1e9, 20_100);
    expect(estimateSeconds('iso_c', 2e6)).toBeCloseTo(10.1);
    expect(estimateSeconds('iso_c', 1e8)).toBeCloseTo(2.1);
    expect(estimateSeconds('iso_c', 1e10)).toBeCloseTo(200.1);
  });

  it('is missing, and begins anew, where the cache is damaged', async () => {
    await mkdir(join(cache, 'mergewright'));
    await writeFile(join(cache, 'mergewright', 'throughput.json'), '{"ties": 5}');
    expect(estimateSeconds('ties', 1e9)).toBeUndefined();
    recordThroughput('ties', 1e9, 2300);
    expect(estimateSeconds('ties', 1e9)).toBeCloseTo(2.3);
  });
});
