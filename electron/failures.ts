/** How an error of the shell reaches the window: as a value with a closed code, or as the bug it is. */
import { failed } from '../main/api/common.ts';
import { AppError } from '../main/lib/errors.ts';

/** Awaits a step; an AppError becomes the contract's FAILED. */
export async function asFailure<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    throw error instanceof AppError ? failed(error.failure, error) : error;
  }
}
