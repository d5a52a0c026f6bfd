/** Long work that goes on while other views are shown, one at a time of its kind: a merge, an adapter, an export. */
import { isAbort, toFailure, type Failure } from './errors.ts';
import { navigation, type ViewName } from './navigation.svelte.ts';
import { toasts } from './toasts.svelte.ts';

interface Working<Request, Progress> {
  readonly phase: 'working';
  readonly request: Request;
  /** The last that was heard of it. */
  readonly progress: Progress | undefined;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly cancelling: boolean;
}

interface Done<Request, Result> {
  readonly phase: 'finished';
  readonly request: Request;
  readonly result: Result;
}

/** Without a failure it was cancelled. */
interface Stopped<Request> {
  readonly phase: 'stopped';
  readonly request: Request;
  readonly failure: Failure | undefined;
}

type WorkState<Request, Progress, Result> =
  | { readonly phase: 'idle' }
  | Working<Request, Progress>
  | Done<Request, Result>
  | Stopped<Request>;

interface Events {
  readonly type: string;
}

interface Kind<Request, Event extends Events> {
  /** Where its end is seen; who looks at something else is told of it. */
  readonly view: ViewName;
  readonly begin: (
    request: Request,
    options: { readonly signal: AbortSignal },
  ) => PromiseLike<AsyncIterable<Event>>;
  /** What is said when it is done. */
  readonly done: (request: Request) => string;
}

/** Work whose events end with one of the type "finished". */
export class Work<Request, Event extends Events> {
  private readonly kind: Kind<Request, Event>;
  private current = $state.raw<
    WorkState<
      Request,
      Exclude<Event, { readonly type: 'finished' }>,
      Extract<Event, { readonly type: 'finished' }>
    >
  >({ phase: 'idle' });
  private abort: AbortController | undefined;

  constructor(kind: Kind<Request, Event>) {
    this.kind = kind;
  }

  get state() {
    return this.current;
  }
  get active(): boolean {
    return this.current.phase === 'working';
  }

  /** Starts, unless one is in progress. */
  async start(request: Request): Promise<void> {
    if (this.active) return;
    this.abort = new AbortController();
    const { signal } = this.abort;
    const since = Date.now();
    this.current = { phase: 'working', request, progress: undefined, since, cancelling: false };
    try {
      await this.follow(request, signal);
    } catch (error) {
      const cancelled = isAbort(error) && signal.aborted;
      const failure = cancelled ? undefined : toFailure(error);
      this.current = { phase: 'stopped', request, failure };
    }
    this.tellElsewhere();
  }

  cancel(): void {
    if (this.current.phase !== 'working') return;
    this.current = { ...this.current, cancelling: true };
    this.abort?.abort();
  }

  /** Starts what was stopped once more. */
  async again(): Promise<void> {
    if (this.current.phase === 'stopped') await this.start(this.current.request);
  }

  /** Back to the form. */
  clear(): void {
    if (!this.active) this.current = { phase: 'idle' };
  }

  private async follow(request: Request, signal: AbortSignal): Promise<void> {
    for await (const event of await this.kind.begin(request, { signal })) {
      if (isFinished(event)) {
        this.current = { phase: 'finished', request, result: event };
        return;
      }
      if (this.current.phase === 'working') {
        const progress = event as Exclude<Event, { readonly type: 'finished' }>;
        this.current = { ...this.current, progress };
      }
    }
    this.current = { phase: 'stopped', request, failure: undefined };
  }

  private tellElsewhere(): void {
    const { view, done } = this.kind;
    const end = this.current;
    if (navigation.view === view) return;
    const action = { title: 'Show', run: () => navigation.go(view) };
    if (end.phase === 'finished') {
      toasts.show({ kind: 'good', text: done(end.request), action });
    } else if (end.phase === 'stopped' && end.failure !== undefined) {
      toasts.show({ kind: 'error', text: end.failure.what, detail: end.failure.hint, action });
    }
  }
}

function isFinished<Event extends Events>(
  event: Event,
): event is Extract<Event, { readonly type: 'finished' }> {
  return event.type === 'finished';
}
