/** What every handler is made with: the contract, the session it works on, and how its errors cross. */
import { implement } from '@orpc/server';
import { handle } from '../api/common.ts';
import { contract } from '../api/contract.ts';
import { callError } from './failures.ts';
import type { Session } from './session.ts';

export interface HostContext {
  readonly session: Session;
}

export const implementer = implement(contract)
  .$context<HostContext>()
  .use(async ({ context, next }, input: unknown) => {
    try {
      await context.session.granted(handlesIn(input));
      return await next();
    } catch (error) {
      throw callError(error, context.session.log);
    }
  });

/** Every handle that the input of a call names, wherever it stands. */
function handlesIn(input: unknown): string[] {
  if (typeof input === 'string') return handle.safeParse(input).success ? [input] : [];
  if (typeof input !== 'object' || input === null) return [];
  return Object.values(input).flatMap(handlesIn);
}
