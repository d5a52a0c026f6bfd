/** The adapter that is being made: goes on while other views are shown. */
import type { LoraDraft, LoraFinished, LoraProgress } from '../../../main/api/lora.ts';
import { compute } from '../../lib/connection.ts';
import { isAbort, toFailure, type Failure } from '../../lib/errors.ts';
import { navigation } from '../../lib/navigation.svelte.ts';
import { toasts } from '../../lib/toasts.svelte.ts';

interface Request {
  readonly draft: LoraDraft;
  readonly title: string;
}

export type MakingState =
  | { readonly phase: 'idle' }
  | {
      readonly phase: 'working';
      readonly request: Request;
      readonly progress: LoraProgress | undefined;
      /** Milliseconds since 1970. */
      readonly since: number;
      readonly cancelling: boolean;
    }
  | { readonly phase: 'finished'; readonly request: Request; readonly result: LoraFinished }
  /** Nothing is left of it; without a failure it was cancelled. */
  | { readonly phase: 'stopped'; readonly request: Request; readonly failure: Failure | undefined };

let state = $state.raw<MakingState>({ phase: 'idle' });
let abort: AbortController | undefined;

async function follow(request: Request, signal: AbortSignal): Promise<MakingState> {
  for await (const event of await compute.lora.start(request.draft, { signal })) {
    if (event.type === 'finished') return { phase: 'finished', request, result: event };
    if (state.phase === 'working') state = { ...state, progress: event };
  }
  return { phase: 'stopped', request, failure: undefined };
}

export const making = {
  get state(): MakingState {
    return state;
  },
  get active(): boolean {
    return state.phase === 'working';
  },

  async start(request: Request): Promise<void> {
    if (state.phase === 'working') return;
    abort = new AbortController();
    const { signal } = abort;
    const since = Date.now();
    state = { phase: 'working', request, progress: undefined, since, cancelling: false };
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

  async retry(): Promise<void> {
    if (state.phase === 'stopped') await making.start(state.request);
  },

  /** Back to the form. */
  clear(): void {
    if (state.phase !== 'working') state = { phase: 'idle' };
  },
};

/** Who looks at something else hears of the end. */
function tellElsewhere(end: MakingState): void {
  if (navigation.view === 'merge' || end.phase === 'idle' || end.phase === 'working') return;
  const action = { title: 'Show', run: () => navigation.go('merge') };
  if (end.phase === 'finished') {
    toasts.show({ kind: 'good', text: `${end.request.title} is ready`, action });
  } else if (end.failure !== undefined) {
    toasts.show({ kind: 'error', text: end.failure.what, detail: end.failure.hint, action });
  }
}
