/** What every handler is made with: the contract, the session it works on, and how its errors cross. */
import { implement } from '@orpc/server';
import { contract } from '../api/contract.ts';
import { callError } from './failures.ts';
import type { Session } from './session.ts';

export interface HostContext {
  readonly session: Session;
}

export const implementer = implement(contract)
  .$context<HostContext>()
  .use(async ({ context, next }) => {
    try {
      return await next();
    } catch (error) {
      throw callError(error, context.session.log);
    }
  });
