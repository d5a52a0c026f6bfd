import { expect } from 'vitest';
import type { ErrorCode } from '../../main/lib/error-codes.ts';
import { AppError } from '../../main/lib/errors.ts';

/** Expects `work` to fail with an AppError of this code; returns it. */
export async function expectFailure(
  work: Promise<unknown> | (() => unknown),
  code: ErrorCode,
): Promise<AppError> {
  let failure: unknown;
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    failure = error;
  }
  if (!(failure instanceof AppError)) {
    throw new Error(`expected ${code}, got ${String(failure)}`, { cause: failure });
  }
  expect(failure.code, failure.message).toBe(code);
  expect(failure.hint).not.toBe('');
  return failure;
}
