/**
 * Errors a person can act on. Every failure that bad input or a full machine can cause is one of the
 * codes of `error-codes.ts`; anything else that is thrown is a bug.
 */
import type { ErrorCode } from './error-codes.ts';

export interface ErrorDetails {
  /** What happened, in a person's words, with the value received. */
  readonly what: string;
  /** Where: a file, a tensor, a recipe key. */
  readonly where?: string;
  /** What to do about it. */
  readonly hint: string;
  readonly cause?: unknown;
}

export class AppError extends Error {
  readonly code: ErrorCode;
  readonly what: string;
  readonly where: string | undefined;
  readonly hint: string;

  constructor(code: ErrorCode, details: ErrorDetails) {
    const where = details.where === undefined ? '' : `, in ${details.where}`;
    super(`${details.what}${where}; ${details.hint}`, { cause: details.cause });
    this.name = 'AppError';
    this.code = code;
    this.what = details.what;
    this.where = details.where;
    this.hint = details.hint;
  }

  /** The error as a plain value, which crosses between processes; undefined entries are left out. */
  get failure(): {
    readonly code: ErrorCode;
    readonly what: string;
    readonly where?: string;
    readonly hint: string;
  } {
    const { code, what, where, hint } = this;
    return { code, what, ...(where === undefined ? {} : { where }), hint };
  }
}

/** Thrown by long work when its AbortSignal fires; the command line turns it into exit code 130. */
export class CancelledError extends Error {
  constructor() {
    super('cancelled');
    this.name = 'CancelledError';
  }
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new CancelledError();
}
