/** What the window shows of anything that went wrong. */
import { ORPCError } from '@orpc/client';
import type { Failure as ContractFailure } from '../../main/api/common.ts';

/** A failure of the contract, or one of the window's own: a lost connection, or a bug. */
export interface Failure extends Omit<ContractFailure, 'code' | 'where'> {
  readonly code: ContractFailure['code'] | 'window.disconnected' | 'window.bug';
  readonly where?: string | undefined;
}

/** Whether a call ended because its caller or the connection did. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function isContractFailure(value: unknown): value is ContractFailure {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    'what' in value &&
    'hint' in value
  );
}

/** Turns what a call threw into what, where and what to do. */
export function toFailure(error: unknown): Failure {
  if (error instanceof ORPCError && isContractFailure(error.data)) return error.data;
  if (isAbort(error)) {
    return {
      code: 'window.disconnected',
      what: 'The compute process went away before it could answer.',
      hint: 'Try again once it is back.',
    };
  }
  return {
    code: 'window.bug',
    what: 'Something went wrong that should not have.',
    where: error instanceof Error ? error.message : String(error),
    hint: 'Try again; if it happens again, please report it with the text above.',
  };
}
