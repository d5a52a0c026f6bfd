/** How errors cross to the window. */
import { ORPCError } from '@orpc/client';
import { failed, type Failure } from '../api/common.ts';
import { AppError, CancelledError } from '../lib/errors.ts';

/** An error as the window shows it; undefined for a bug. */
export function failureOf(error: unknown): Failure | undefined {
  return error instanceof AppError ? error.failure : undefined;
}

/**
 * The error a call ends with: FAILED with the failure for what a person can act on, CANCELLED for work
 * that was told to stop, and for a bug a message without details, which are logged here.
 */
export function callError(error: unknown, log: (line: string) => void): Error {
  const data = failureOf(error);
  if (data !== undefined) return failed(data, error);
  if (error instanceof CancelledError) return new ORPCError('CANCELLED', { message: 'cancelled' });
  if (error instanceof ORPCError) return error;
  log(
    `unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
  return new ORPCError('INTERNAL_SERVER_ERROR', {
    message: 'something went wrong that should not have; the log has the details',
  });
}
