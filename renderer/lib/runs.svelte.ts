/** The runs of the open project, and the one that is going on. */
import type { RunCard, RunState } from '../../main/api/runs.ts';
import { compute } from './connection.ts';
import { applyUpdate, nothingWatched, type Watched } from './curves.ts';
import { isAbort, toFailure, type Failure } from './errors.ts';
import { history } from './history.svelte.ts';
import { toasts } from './toasts.svelte.ts';

let list = $state.raw<readonly RunCard[]>([]);
let loaded = $state(false);
let failure = $state.raw<Failure | undefined>();
let watched = $state.raw<Watched>(nothingWatched);
let watchedId = $state<string | undefined>();
let watching: AbortController | undefined;

/** Whether a run in this state holds the compute process. */
export function isActive(state: RunState): boolean {
  return state === 'running' || state === 'paused';
}

/** Whether `resume` can go on with a run in this state. */
export function isResumable(state: RunState): boolean {
  return state === 'cancelled' || state === 'interrupted' || state === 'failed';
}

function put(run: RunCard): void {
  const known = list.some((one) => one.id === run.id);
  list = known ? list.map((one) => (one.id === run.id ? run : one)) : [run, ...list];
}

async function follow(id: string, abort: AbortController): Promise<void> {
  try {
    const updates = await compute.runs.watch({ run: id }, { signal: abort.signal });
    for await (const update of updates) {
      if (abort.signal.aborted) return;
      watched = applyUpdate(watched, update);
      if (update.type === 'state') put(update.run);
      if (update.type === 'failed') toasts.failure(update.failure);
    }
    if (!abort.signal.aborted) await runs.refresh();
  } catch (error) {
    // Without a connection, the list is read again when the compute process is back.
    if (!isAbort(error) && !abort.signal.aborted) toasts.error(error);
  }
}

type Control = 'pause' | 'unpause' | 'keepBest' | 'cancel' | 'resume';

export const runs = {
  /** Newest first. */
  get list(): readonly RunCard[] {
    return list;
  },
  get loaded(): boolean {
    return loaded;
  },
  get failure(): Failure | undefined {
    return failure;
  },
  /** The run that is going on or paused. */
  get active(): RunCard | undefined {
    return list.find((run) => isActive(run.status));
  },
  /** Runs with a report, newest first. */
  get finished(): readonly RunCard[] {
    return list.filter((run) => run.status === 'done');
  },
  /** The live state of the run that is followed, which is the one last started, resumed or looked at. */
  get watched(): Watched {
    return watched;
  },
  get watchedId(): string | undefined {
    return watchedId;
  },

  find(id: string | undefined): RunCard | undefined {
    return id === undefined ? undefined : list.find((run) => run.id === id);
  },

  /** Reads the list again and follows what is going on. */
  async refresh(): Promise<void> {
    try {
      const all = await compute.runs.list();
      list = [...all].sort((a, b) => b.createdAt.localeCompare(a.createdAt));
      failure = undefined;
    } catch (error) {
      failure = toFailure(error);
    } finally {
      loaded = true;
    }
    const active = list.find((run) => isActive(run.status));
    if (active !== undefined && active.id !== watchedId) runs.watch(active.id);
  },

  /** Follows a run, from now on instead of the one that was followed. */
  watch(id: string): void {
    watching?.abort();
    watching = new AbortController();
    watched = nothingWatched;
    watchedId = id;
    void follow(id, watching);
  },

  /** The compute process is gone, and with it the run that was going on; it can be resumed from what was saved. */
  interrupt(): void {
    watching?.abort();
    watched = { ...watched, progress: undefined };
    list = list.map((run) => (isActive(run.status) ? { ...run, status: 'interrupted' } : run));
  },

  /** The compute process is a new one: everything is asked for again. */
  async reconnect(): Promise<void> {
    const id = watchedId;
    watching?.abort();
    watchedId = undefined;
    await runs.refresh();
    if (id !== undefined && runs.watchedId === undefined && runs.find(id) !== undefined) {
      runs.watch(id);
    }
  },

  /** Another project is open. */
  reset(): void {
    watching?.abort();
    watchedId = undefined;
    watched = nothingWatched;
    list = [];
    loaded = false;
    failure = undefined;
  },

  /** Pauses, goes on, ends or resumes a run; tells of failures. */
  async control(id: string, what: Control): Promise<void> {
    try {
      put(await compute.runs[what]({ run: id }));
      if (what === 'resume') runs.watch(id);
    } catch (error) {
      toasts.error(error);
    }
  },

  /** Changes the note or the star of a run. */
  async annotate(id: string, change: { note?: string; starred?: boolean }): Promise<void> {
    try {
      put(await compute.runs.annotate({ run: id, ...change }));
    } catch (error) {
      toasts.error(error);
    }
  },

  /** Removes a run, with a way back. */
  async remove(run: RunCard): Promise<void> {
    const remove = async (): Promise<void> => {
      await compute.runs.remove({ run: run.id });
      list = list.filter((one) => one.id !== run.id);
    };
    const restore = async (): Promise<void> => {
      put(await compute.runs.restore({ run: run.id }));
      await runs.refresh();
    };
    try {
      await remove();
    } catch (error) {
      toasts.error(error);
      return;
    }
    const edit = { title: `Delete ${run.title}`, undo: restore, redo: remove };
    history.add(edit);
    toasts.show({
      kind: 'note',
      text: `“${run.title}” was moved to the project’s trash`,
      action: { title: 'Undo', run: () => void history.take(edit) },
    });
  },
};
