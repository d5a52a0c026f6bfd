/** Builds safetensors bytes, good and bad, and runs readers on them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, type TestContext } from 'vitest';
import { AppError } from '../../../main/lib/errors.ts';

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

/** Length prefix, header text or bytes, then `data` (a number: so many zero bytes). */
export function file(
  header: string | Uint8Array,
  data: Uint8Array | number = 0,
  claimedLength?: bigint,
): Uint8Array {
  const text = typeof header === 'string' ? Buffer.from(header) : header;
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(claimedLength ?? BigInt(text.byteLength));
  return Buffer.concat([prefix, text, typeof data === 'number' ? Buffer.alloc(data) : data]);
}

/** One entry as JSON text; every part is text, so that it can be wrong. */
export function entry(name: string, offsets: string, shape = '[1]', dtype = '"F32"'): string {
  return `${JSON.stringify(name)}:{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`;
}

/** A file of one tensor `w`. */
export function single(shape: string, bytes: number, dtype = '"F32"'): Uint8Array {
  return file(`{${entry('w', `[0,${bytes}]`, shape, dtype)}}`, bytes);
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

/** The fp32 values as they are stored. */
export function fp32(...values: readonly number[]): Uint8Array {
  return new Uint8Array(new Float32Array(values).buffer);
}
