/** Checks that read weights, for who asks for them; each belongs to the draft it was asked of. */
import type {
  WeightsDraft,
  WeightsScan,
  WeightsScanned,
  WeightsScanProgress,
} from '../../../main/api/weights.ts';
import { compute } from '../../lib/connection.ts';
import { isAbort, toFailure, type Failure } from '../../lib/errors.ts';

export type Check = WeightsScan['check'];

interface Done {
  readonly draft: WeightsDraft;
  readonly result: WeightsScanned;
}

let working = $state.raw<
  { readonly check: Check; readonly progress: WeightsScanProgress | undefined } | undefined
>();
let failure = $state.raw<Failure | undefined>();
let done = $state.raw<Partial<Record<Check, Done>>>({});
let abort: AbortController | undefined;

export const scan = {
  get working() {
    return working;
  },
  get failure(): Failure | undefined {
    return failure;
  },

  /** Undefined where nothing was asked yet about what is merged now. */
  resultOf(check: Check, draft: WeightsDraft): WeightsScanned | undefined {
    const known = done[check];
    return known !== undefined && sameWeights(known.draft, draft) ? known.result : undefined;
  },

  async start(check: Check, draft: WeightsDraft): Promise<void> {
    abort?.abort();
    abort = new AbortController();
    const { signal } = abort;
    working = { check, progress: undefined };
    failure = undefined;
    try {
      for await (const event of await compute.weights.scan({ draft, check }, { signal })) {
        if (signal.aborted) break;
        if (event.type === 'progress') working = { check, progress: event };
        else done = { ...done, [check]: { draft, result: event } };
      }
    } catch (error) {
      if (!(isAbort(error) && signal.aborted)) failure = toFailure(error);
    } finally {
      if (abort.signal === signal) working = undefined;
    }
  },

  cancel(): void {
    abort?.abort();
    working = undefined;
  },
};

/** What is read depends on the models, the method and the fixes, not on how the result is stored. */
function sameWeights(one: WeightsDraft, other: WeightsDraft): boolean {
  if (one.fixes.join() !== other.fixes.join()) return false;
  const [a, b] = [one.source, other.source];
  if (a.kind === 'file' || b.kind === 'file') {
    return a.kind === 'file' && b.kind === 'file' && a.file === b.file;
  }
  const key = ({ models, base, method }: typeof a) =>
    JSON.stringify([method, base, models.map(({ handle, on }) => [handle, on])]);
  return key(a) === key(b);
}
