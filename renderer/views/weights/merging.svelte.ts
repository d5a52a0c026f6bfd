/** The merge of weights in progress: goes on while other views are shown. */
import type { WeightsDraft, WeightsFinished, WeightsProgress } from '../../../main/api/weights.ts';
import { compute } from '../../lib/connection.ts';
import { isAbort, toFailure, type Failure } from '../../lib/errors.ts';
import { navigation } from '../../lib/navigation.svelte.ts';
import { toasts } from '../../lib/toasts.svelte.ts';

interface Request {
  readonly draft: WeightsDraft;
  readonly title: string;
}

export type MergingState =
  | { readonly phase: 'idle' }
  | {
      readonly phase: 'working';
      readonly request: Request;
      readonly progress: WeightsProgress | undefined;
      /** Milliseconds since 1970. */
      readonly since: number;
      readonly cancelling: boolean;
    }
  | { readonly phase: 'finished'; readonly request: Request; readonly result: WeightsFinished }
  /** What is done stays, and the same merge goes on with it. */
  | { readonly phase: 'stopped'; readonly request: Request; readonly failure: Failure | undefined };

let state = $state.raw<MergingState>({ phase: 'idle' });
let abort: AbortController | undefined;

async function follow(request: Request, signal: AbortSignal): Promise<MergingState> {
  for await (const event of await compute.weights.start(request.draft, { signal })) {
    if (event.type === 'finished') return { phase: 'finished', request, result: event };
    if (state.phase === 'working') state = { ...state, progress: event };
  }
  return { phase: 'stopped', request, failure: undefined };
}

export const merging = {
  get state(): MergingState {
    return state;
  },
  get active(): boolean {
    return state.phase === 'working';
  },

  /** Starts a merge unless one is in progress. */
  async start(request: Request): Promise<void> {
    if (state.phase === 'working') return;
    abort = new AbortController();
    const { signal } = abort;
    state = {
      phase: 'working',
      request,
      progress: undefined,
      since: Date.now(),
      cancelling: false,
    };
    try {
      state = await follow(request, signal);
    } catch (error) {
      const cancelled = isAbort(error) && signal.aborted;
      state = { phase: 'stopped', request, failure: cancelled ? undefined : toFailure(error) };
    }
    tellElsewhere(state);
  },

  cancel(): void {
    if (state.phase !== 'working') return;
    state = { ...state, cancelling: true };
    abort?.abort();
  },

  /** Goes on with what was stopped. */
  async resume(): Promise<void> {
    if (state.phase === 'stopped') await merging.start(state.request);
  },

  /** Removes what a stopped merge has done. */
  async discard(): Promise<void> {
    if (state.phase !== 'stopped') return;
    const { output } = state.request.draft;
    try {
      if (output !== null) await compute.weights.discard({ output });
      state = { phase: 'idle' };
    } catch (error) {
      toasts.error(error);
    }
  },

  /** Back to the form. */
  clear(): void {
    if (state.phase !== 'working') state = { phase: 'idle' };
  },
};

/** Who looks at something else hears of the end. */
function tellElsewhere(end: MergingState): void {
  if (navigation.view === 'merge' || end.phase === 'idle' || end.phase === 'working') return;
  const action = { title: 'Show', run: () => navigation.go('merge') };
  if (end.phase === 'finished') {
    toasts.show({ kind: 'good', text: `${end.request.title} is merged`, action });
  } else if (end.failure !== undefined) {
    toasts.show({ kind: 'error', text: end.failure.what, detail: end.failure.hint, action });
  }
}
