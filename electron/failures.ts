/** How an error of the shell reaches the window: as a value with a closed code, or as the bug it is. */
import { ORPCError } from '@orpc/server';
import type { Failure } from '../main/api/common.ts';
import { AppError } from '../main/lib/errors.ts';

/** Awaits a step; an AppError becomes the contract's FAILED. */
export async function asFailure<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { code, what, where, hint } = error;
    const data: Failure = { code, what, hint, ...(where === undefined ? {} : { where }) };
    throw new ORPCError('FAILED', { defined: true, message: error.message, data, cause: error });
  }
}
