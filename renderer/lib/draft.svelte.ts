/** What the Merge view edits: the draft of the next run, the methods it can hold, and what a run of it would need. */
import type { Draft, MethodCard, Plan } from '../../main/api/merge.ts';
import { compute } from './connection.ts';
import { history } from './history.svelte.ts';
import { navigation } from './navigation.svelte.ts';
import { Resource } from './resource.svelte.ts';
import { runs } from './runs.svelte.ts';
import { toasts } from './toasts.svelte.ts';

export type DraftMethod = Draft['methods'][number];

interface Loaded {
  readonly draft: Draft;
  readonly methods: readonly MethodCard[];
}

const loaded = new Resource<Loaded>();
const plan = new Resource<Plan>();
let edited = $state.raw<Draft | undefined>();
let starting = $state(false);
/** Which project the draft belongs to, and its coming. */
let owner = '';
let coming: Promise<void> | undefined;

/** An id for another entry of a method: its name, or its name and the first free number. */
export function freeId(method: string, taken: readonly string[]): string {
  if (!taken.includes(method)) return method;
  for (let number = 2; ; number++) {
    const id = `${method}_${number}`;
    if (!taken.includes(id)) return id;
  }
}

async function load(run: string | null): Promise<void> {
  await loaded.load(async () => {
    const [draft, methods] = await Promise.all([
      compute.merge.draft({ run }),
      compute.merge.methods(),
    ]);
    return { draft, methods };
  });
  edited = loaded.value?.draft;
}

export const draft = {
  /** Undefined until it is loaded. */
  get value(): Draft | undefined {
    return edited;
  },
  get methods(): readonly MethodCard[] {
    return loaded.value?.methods ?? [];
  },
  get loaded(): Resource<Loaded> {
    return loaded;
  },
  /** What is known about a run of it; of the draft as it was a moment ago while `plan.loading`. */
  get plan(): Resource<Plan> {
    return plan;
  },
  get starting(): boolean {
    return starting;
  },

  card(method: string): MethodCard | undefined {
    return draft.methods.find((one) => one.id === method);
  },

  /** Makes sure that there is a draft of this project; settles when it is there, or could not be loaded. */
  async ready(project: string): Promise<void> {
    if (owner !== project) {
      owner = project;
      edited = undefined;
      plan.clear();
      coming = load(null);
    }
    await coming;
  },

  /** Loads again what could not be loaded. */
  reload: () => load(null),

  /** Takes the settings of a former run and shows them. */
  async takeFrom(run: string): Promise<void> {
    const before = edited;
    navigation.go('merge', {});
    await load(run);
    const after = edited;
    if (before !== undefined && after !== undefined)
      draft.remember('Take settings of a run', before, after);
  },

  /** Changes the draft, with a way back; edits with the same key that follow each other are one. */
  change(title: string, next: Draft, key?: string): void {
    const before = edited;
    edited = next;
    if (before !== undefined) draft.remember(title, before, next, key);
  },

  remember(title: string, before: Draft, after: Draft, key?: string): void {
    history.add({
      title,
      undo: () => void (edited = before),
      redo: () => void (edited = after),
      key,
    });
  },

  /** Asks what a run of the draft would need. */
  async check(): Promise<void> {
    const asked = edited;
    if (asked === undefined || asked.methods.length === 0 || asked.tasks.length === 0) {
      plan.clear();
      return;
    }
    await plan.load((signal) => compute.merge.plan(asked, { signal }));
  },

  /** Starts a run of it and follows that; returns its id, or undefined where it could not be started. */
  async start(): Promise<string | undefined> {
    if (edited === undefined || starting) return undefined;
    starting = true;
    try {
      const { run } = await compute.merge.start(edited);
      await runs.refresh();
      runs.watch(run);
      return run;
    } catch (error) {
      toasts.error(error);
      return undefined;
    } finally {
      starting = false;
    }
  },
};
