/** One export at a time: goes on while other views are shown. */
import type { ExportChoice, ExportFinished } from '../../../main/api/exports.ts';
import { compute } from '../../lib/connection.ts';
import { isAbort, toFailure, type Failure } from '../../lib/errors.ts';
import { navigation } from '../../lib/navigation.svelte.ts';
import { toasts } from '../../lib/toasts.svelte.ts';
import type { ExportStage } from './words.ts';

export interface ExportRequest {
  readonly run: string;
  readonly runTitle: string;
  readonly method: string;
  readonly methodTitle: string;
  readonly choice: ExportChoice;
  readonly target: { readonly handle: string; readonly title: string } | null;
}

export type ExportState =
  | { readonly phase: 'idle' }
  | {
      readonly phase: 'working';
      readonly request: ExportRequest;
      readonly stage: ExportStage;
      /** Milliseconds since 1970. */
      readonly since: number;
      readonly cancelling: boolean;
    }
  | { readonly phase: 'finished'; readonly request: ExportRequest; readonly result: ExportFinished }
  | { readonly phase: 'failed'; readonly request: ExportRequest; readonly failure: Failure }
  | { readonly phase: 'cancelled'; readonly request: ExportRequest };

let state = $state.raw<ExportState>({ phase: 'idle' });
let abort: AbortController | undefined;

async function follow(request: ExportRequest, signal: AbortSignal): Promise<ExportState> {
  const { run, method, choice, target } = request;
  const { format, mode } = choice;
  const input = { run, method, format, mode, ...(target ? { target: target.handle } : {}) };
  for await (const event of await compute.exports.start(input, { signal })) {
    if (event.type === 'finished') return { phase: 'finished', request, result: event };
    if (state.phase === 'working') state = { ...state, stage: event.stage };
  }
  return { phase: 'cancelled', request };
}

export const exporting = {
  get state(): ExportState {
    return state;
  },

  /** Starts an export unless one is in progress. */
  async start(request: ExportRequest): Promise<void> {
    if (state.phase === 'working') return;
    abort = new AbortController();
    const { signal } = abort;
    const since = Date.now();
    state = { phase: 'working', request, stage: 'loading', since, cancelling: false };
    try {
      state = await follow(request, signal);
    } catch (error) {
      state =
        isAbort(error) && signal.aborted
          ? { phase: 'cancelled', request }
          : { phase: 'failed', request, failure: toFailure(error) };
    }
    tellElsewhere(state);
  },

  cancel(): void {
    if (state.phase !== 'working') return;
    state = { ...state, cancelling: true };
    abort?.abort();
  },

  /** Back to the choice. */
  clear(): void {
    if (state.phase !== 'working') state = { phase: 'idle' };
  },
};

/** Who looks at something else hears of the end. */
function tellElsewhere(end: ExportState): void {
  if (navigation.view === 'export') return;
  const action = { title: 'Show', run: () => navigation.go('export') };
  if (end.phase === 'finished') {
    const { methodTitle } = end.request;
    toasts.show({ kind: 'good', text: `${methodTitle} was exported and verified`, action });
  } else if (end.phase === 'failed') {
    toasts.show({ kind: 'error', text: end.failure.what, detail: end.failure.hint, action });
  }
}
