/** Steps whose failure is shown, not thrown. */
import type { Failure } from '../api/common.ts';
import { failureOf } from './failures.ts';

export interface Attempt<Value> {
  readonly value?: Value;
  readonly problem: Failure | null;
}

/** Runs a step whose failure belongs on a card; bugs pass. */
export async function attempt<Value>(step: () => Promise<Value>): Promise<Attempt<Value>> {
  try {
    return { value: await step(), problem: null };
  } catch (error) {
    const problem = failureOf(error);
    if (problem === undefined) throw error;
    return { problem };
  }
}
