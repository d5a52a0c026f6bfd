import { beforeAll, expect, test, vi } from 'vitest';
import { estimateSeconds, recordThroughput } from '../../../../main/merging/planning/throughput.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

beforeAll(async () => {
  vi.stubEnv('XDG_CACHE_HOME', await temporaryFolder());
});

test('the estimate is as fast as the last merge of some size by the same method', () => {
  expect(estimateSeconds('ties', 1e9)).toBeUndefined();
  recordThroughput('ties', 1e9, 2000);
  recordThroughput('linear', 1e9, 500);
  recordThroughput('ties', 1e6, 10_000);
  expect(estimateSeconds('ties', 3e9)).toBe(6);
  expect(estimateSeconds('linear', 3e9)).toBe(1.5);
});
