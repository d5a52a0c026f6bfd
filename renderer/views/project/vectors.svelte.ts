/** The measured task vectors of the open project; measured again when a checkpoint is added, removed or moved. */
import type { VectorReport } from '../../../main/api/project.ts';
import { compute } from '../../lib/connection.ts';
import { isAbort, toFailure, type Failure } from '../../lib/errors.ts';

let report = $state.raw<VectorReport | undefined>();
let progress = $state.raw<{ readonly done: number; readonly total: number } | undefined>();
let failure = $state.raw<Failure | undefined>();
let abort: AbortController | undefined;

export const vectors = {
  get report(): VectorReport | undefined {
    return report;
  },
  /** Undefined unless they are being measured. */
  get progress(): { readonly done: number; readonly total: number } | undefined {
    return progress;
  },
  get failure(): Failure | undefined {
    return failure;
  },

  async measure(): Promise<void> {
    abort?.abort();
    const own = new AbortController();
    abort = own;
    progress = { done: 0, total: 0 };
    failure = undefined;
    try {
      const updates = await compute.project.taskVectors(undefined, { signal: own.signal });
      for await (const update of updates) {
        if (own.signal.aborted) return;
        if (update.type === 'progress') progress = update;
        else report = update;
      }
    } catch (error) {
      if (own.signal.aborted) return;
      if (!isAbort(error)) failure = toFailure(error);
    } finally {
      if (abort === own) progress = undefined;
    }
  },

  /** There is nothing to measure. */
  clear(): void {
    abort?.abort();
    report = undefined;
    progress = undefined;
    failure = undefined;
  },
};
