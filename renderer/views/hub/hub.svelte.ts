/** Models of the Hub: what is chosen, what the Hub said of it, and the download in progress, which goes on while the dialog is closed. */
import type { HubPreset, HubProgress, HubSize, HubState } from '../../../main/api/hub.ts';
import { compute } from '../../lib/connection.ts';
import { isAbort, toFailure, type Failure } from '../../lib/errors.ts';
import { project } from '../../lib/project.svelte.ts';
import { toasts } from '../../lib/toasts.svelte.ts';
import { plainName, type Selection } from './selection.ts';

export type HubPhase =
  | { readonly name: 'choosing' }
  | { readonly name: 'asking' }
  | { readonly name: 'sized'; readonly size: HubSize }
  | { readonly name: 'refused'; readonly failure: Failure }
  | {
      readonly name: 'downloading';
      readonly progress: HubProgress | undefined;
      readonly cancelling: boolean;
    }
  /** Without a failure it was cancelled. What is there is kept. */
  | { readonly name: 'stopped'; readonly failure: Failure | undefined };

type Missing = Required<Pick<Selection, 'models' | 'namedBy' | 'then'>>;

let open = $state(false);
let settings = $state.raw<HubState | undefined>();
let presets = $state.raw<readonly HubPreset[]>([]);
let selection = $state.raw<Selection | undefined>();
let phase = $state.raw<HubPhase>({ name: 'choosing' });
let failure = $state.raw<Failure | undefined>();
let abort: AbortController | undefined;

async function load(): Promise<void> {
  try {
    [settings, presets] = await Promise.all([compute.hub.state(), compute.hub.presets()]);
    failure = undefined;
  } catch (error) {
    failure = toFailure(error);
  }
}

/** Takes what is downloaded into the project, as one edit. */
async function addToProject({ base, experts }: Selection): Promise<void> {
  await project.edit('Add models of the Hub', () =>
    compute.hub.add({
      base: base ?? null,
      experts: experts.map(({ model, title, task }) => ({ model, title, task })),
    }),
  );
}

async function follow(models: string[], signal: AbortSignal): Promise<boolean> {
  for await (const update of await compute.hub.get({ models }, { signal })) {
    if (update.type === 'finished') return true;
    if (phase.name === 'downloading') phase = { ...phase, progress: update };
  }
  return false;
}

export const hub = {
  get open(): boolean {
    return open;
  },
  get settings(): HubState | undefined {
    return settings;
  },
  get presets(): readonly HubPreset[] {
    return presets;
  },
  get selection(): Selection | undefined {
    return selection;
  },
  get phase(): HubPhase {
    return phase;
  },
  /** Why the settings and presets could not be had. */
  get failure(): Failure | undefined {
    return failure;
  },

  /** Shows the dialog, for the models that are missing or for any. */
  async show(missing?: Missing): Promise<void> {
    open = true;
    if (missing !== undefined && phase.name !== 'downloading') {
      selection = { kind: 'missing', ...missing, base: undefined, experts: [] };
      phase = { name: 'choosing' };
    }
    await load();
  },

  close(): void {
    open = false;
    if (phase.name === 'downloading' || phase.name === 'stopped') return;
    abort?.abort();
    phase = { name: 'choosing' };
    if (selection?.kind === 'missing') selection = undefined;
  },

  select(next: Selection | undefined): void {
    selection = next;
    abort?.abort();
    phase = { name: 'choosing' };
  },

  /** Asks the Hub for sizes: the first thing that uses the network. */
  async ask(): Promise<void> {
    if (selection === undefined) return;
    abort = new AbortController();
    const { signal } = abort;
    phase = { name: 'asking' };
    try {
      const size = await compute.hub.size({ models: [...selection.models] }, { signal });
      if (!signal.aborted) phase = { name: 'sized', size };
    } catch (error) {
      if (!signal.aborted) phase = { name: 'refused', failure: toFailure(error) };
    }
  },

  /** Downloads what was sized, or goes on with it. */
  async get(): Promise<void> {
    const wanted = selection;
    if (wanted === undefined || phase.name === 'downloading') return;
    abort = new AbortController();
    const { signal } = abort;
    phase = { name: 'downloading', progress: undefined, cancelling: false };
    let done = false;
    try {
      done = await follow([...wanted.models], signal);
      phase = { name: 'stopped', failure: undefined };
    } catch (error) {
      const cancelled = isAbort(error) && signal.aborted;
      phase = { name: 'stopped', failure: cancelled ? undefined : toFailure(error) };
    }
    if (done) await finish(wanted);
    else if (!open) tellElsewhere();
  },

  cancel(): void {
    if (phase.name !== 'downloading') return;
    phase = { ...phase, cancelling: true };
    abort?.abort();
  },

  /** Changes a setting; what the Hub said before may not hold then. */
  async configure(change: Parameters<typeof compute.hub.configure>[0]): Promise<boolean> {
    try {
      settings = await compute.hub.configure(change);
      if (phase.name === 'refused' || phase.name === 'sized') phase = { name: 'choosing' };
      return true;
    } catch (error) {
      toasts.error(error);
      return false;
    }
  },
};

async function finish(wanted: Selection): Promise<void> {
  phase = { name: 'choosing' };
  selection = undefined;
  open = false;
  if (wanted.kind === 'missing') {
    await wanted.then?.();
  } else {
    await addToProject(wanted);
  }
  const [only] = wanted.models;
  const what =
    wanted.models.length === 1 && only !== undefined
      ? plainName(only)
      : `${wanted.models.length} models`;
  toasts.show({ kind: 'good', text: `${what} from Hugging Face: downloaded and checked` });
}

function tellElsewhere(): void {
  if (phase.name !== 'stopped' || phase.failure === undefined) return;
  toasts.show({
    kind: 'error',
    text: phase.failure.what,
    detail: phase.failure.hint,
    action: { title: 'Show', run: () => void hub.show() },
  });
}
