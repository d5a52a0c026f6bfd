/** Runs readers on files, good and bad. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, type TestContext } from 'vitest';
import { AppError } from '../../../main/lib/errors.ts';

export { entry, file, fp32, single } from '../../support/safetensors-bytes.ts';

/** A folder of the test file's own, removed at its end. */
export function useFolder(): () => string {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mergewright-test-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });
  return () => folder;
}

/** Waits for the AppError of `work`; fails when it succeeds or throws anything else. */
export async function appErrorOf(work: Promise<unknown>): Promise<AppError> {
  let value: unknown;
  try {
    value = await work;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return error;
  }
  return expect.fail(`expected an AppError, got ${String(value)}`);
}

export async function save(path: string, bytes: Uint8Array): Promise<string> {
  await writeFile(path, bytes);
  return path;
}

/** Skips the running test and says why in its output. */
export function skipBecause(context: TestContext, reason: string): never {
  console.warn(`skipped: ${context.task.name}: ${reason}`);
  return context.skip(reason);
}

/** Milliseconds of processor time this process has used: unlike the clock, the same on a busy machine. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** For the few tests of large inputs, which a busy machine slows down many times. */
export const PATIENCE = { timeout: 240_000 };

/** Longer than the clock step of any file system, so that the next write gets another time. */
export const FILE_CLOCK_MS = 25;
