/** What is chosen to be merged: the draft, what its models are, and what a merge of it would need. */
import { SvelteMap } from 'svelte/reactivity';
import type { Chosen } from '../../../main/api/shell.ts';
import type {
  WeightsCard,
  WeightsDraft,
  WeightsFile,
  WeightsForm,
  WeightsMethod,
  WeightsModel,
  WeightsPlan,
} from '../../../main/api/weights.ts';
import { compute, shell } from '../../lib/connection.ts';
import { history } from '../../lib/history.svelte.ts';
import { Resource } from '../../lib/resource.svelte.ts';
import { toasts } from '../../lib/toasts.svelte.ts';

const emptyForm: WeightsForm = {
  kind: 'form',
  method: 'linear',
  models: [],
  base: null,
  settings: {},
  dtype: 'keep',
  seed: 0,
  notes: [],
};

let value = $state.raw<WeightsDraft>({
  source: emptyForm,
  fixes: [],
  output: null,
  overwrite: false,
  threads: null,
  memoryBytes: null,
  shardBytes: null,
});
const methods = new Resource<readonly WeightsMethod[]>();
const plan = new Resource<WeightsPlan>();
/** By handle. */
const cards = new SvelteMap<string, Resource<WeightsCard>>();
/** Names of what was chosen, until more is known; by handle. */
const titles = new SvelteMap<string, string>();
/** Of files that say more than the form can show; by handle. */
const files = new SvelteMap<string, WeightsFile>();
let opening = $state(false);

export const weights = {
  get value(): WeightsDraft {
    return value;
  },
  get methods(): Resource<readonly WeightsMethod[]> {
    return methods;
  },
  /** Of the draft as it was a moment ago while `plan.loading`. */
  get plan(): Resource<WeightsPlan> {
    return plan;
  },
  /** Undefined where a file is merged as it is. */
  get form(): WeightsForm | undefined {
    return value.source.kind === 'form' ? value.source : undefined;
  },
  get file(): WeightsFile | undefined {
    return value.source.kind === 'file' ? files.get(value.source.file) : undefined;
  },
  get method(): WeightsMethod | undefined {
    const { source } = value;
    if (source.kind !== 'form') return undefined;
    return methods.value?.find(({ id }) => id === source.method);
  },
  get opening(): boolean {
    return opening;
  },

  card(handle: string): Resource<WeightsCard> | undefined {
    return cards.get(handle);
  },
  titleOf(handle: string): string {
    return cards.get(handle)?.value?.title ?? titles.get(handle) ?? 'a model';
  },

  async ready(): Promise<void> {
    if (methods.value === undefined && !methods.loading) {
      await methods.load(() => compute.weights.methods());
    }
  },

  /** Asks what a merge of the draft would need. */
  async check(): Promise<void> {
    const asked = value;
    if (asked.source.kind === 'form' && asked.source.models.length === 0) plan.clear();
    else await plan.load((signal) => compute.weights.plan(asked, { signal }));
  },

  /** Changes the draft, with a way back; edits with the same key that follow each other are one. */
  change(title: string, next: WeightsDraft, key?: string): void {
    const before = value;
    value = next;
    history.add({
      title,
      undo: () => void (value = before),
      redo: () => void (value = next),
      key: key === undefined ? undefined : `weights ${key}`,
    });
  },

  changeForm(title: string, change: Partial<WeightsForm>, key?: string): void {
    const { source } = value;
    if (source.kind !== 'form') return;
    weights.change(title, { ...value, source: { ...source, ...change } }, key);
  },

  changeModel(index: number, title: string, change: Partial<WeightsModel>, key?: string): void {
    const model = weights.form?.models[index];
    if (weights.form === undefined || model === undefined) return;
    const models = weights.form.models.with(index, { ...model, ...change });
    weights.changeForm(title, { models }, key);
  },

  /** Adds what was chosen or dropped; a model that is in the list already is not added again. */
  async add(chosen: readonly Chosen[]): Promise<void> {
    for (const { handle, title } of chosen) titles.set(handle, title);
    const form = weights.form ?? emptyForm;
    const taken = form.models.map(({ handle }) => handle);
    const fresh = chosen.filter(({ handle }) => !taken.includes(handle));
    if (fresh.length < chosen.length) {
      toasts.show({ kind: 'note', text: 'What is in the list already was not added again.' });
    }
    if (fresh.length === 0) return;
    const models = fresh.map(({ handle }): WeightsModel => ({ handle, on: null, settings: {} }));
    const source = { ...form, models: [...form.models, ...models] };
    weights.change(fresh.length === 1 ? 'Add a model' : 'Add models', { ...value, source });
    await Promise.all(fresh.map(({ handle }) => describe(handle)));
    applyAdapters();
  },

  async choose(purpose: 'models' | 'model-files'): Promise<void> {
    const chosen = await ask(purpose);
    if (chosen.length > 0) await weights.add(chosen);
  },

  remove(index: number): void {
    const form = weights.form;
    const gone = form?.models[index];
    if (form === undefined || gone === undefined) return;
    weights.changeForm(`Remove ${weights.titleOf(gone.handle)}`, {
      models: form.models
        .toSpliced(index, 1)
        .map((model) => (model.on === gone.handle ? { ...model, on: null } : model)),
      base: form.base === gone.handle ? null : form.base,
    });
  },

  /** Moves a model up (−1) or down (1). */
  move(index: number, by: -1 | 1): void {
    const models = weights.form?.models;
    const moved = models?.[index];
    const other = models?.[index + by];
    if (models === undefined || moved === undefined || other === undefined) return;
    weights.changeForm('Move a model', {
      models: models.with(index, other).with(index + by, moved),
    });
  },

  async openFile(): Promise<void> {
    const [chosen] = await ask('merge-file');
    if (chosen === undefined) return;
    opening = true;
    try {
      const { form, fixes, file } = await compute.weights.open({ file: chosen.handle });
      if (file !== null) files.set(chosen.handle, file);
      const source = form ?? ({ kind: 'file', file: chosen.handle, dtype: null } as const);
      weights.change(`Open ${chosen.title}`, { ...value, source, fixes });
      const handles = (form?.models ?? []).flatMap(({ handle, on }) =>
        on === null ? [handle] : [handle, on],
      );
      await Promise.all(
        handles.filter((handle, index) => handles.indexOf(handle) === index).map(describe),
      );
    } catch (error) {
      toasts.error(error);
    } finally {
      opening = false;
    }
  },

  /** Back from a file to an empty form. */
  closeFile(): void {
    weights.change('Close the file', { ...value, source: emptyForm, fixes: [] });
  },

  async chooseOutput(): Promise<void> {
    const [chosen] = await ask('merged');
    if (chosen === undefined) return;
    titles.set(chosen.handle, chosen.title);
    weights.change('Choose the place', { ...value, output: chosen.handle, overwrite: false });
  },
};

async function describe(handle: string): Promise<void> {
  const resource = cards.get(handle) ?? new Resource<WeightsCard>();
  cards.set(handle, resource);
  await resource.load(() => compute.weights.describe({ handle }));
}

/** An adapter changes the base, or the first model there is, until somebody says otherwise. */
function applyAdapters(): void {
  const { source } = value;
  if (source.kind !== 'form') return;
  const isModel = ({ handle }: WeightsModel) => cards.get(handle)?.value?.kind === 'model';
  const onto = source.base ?? source.models.find(isModel)?.handle;
  if (onto === undefined) return;
  const models = source.models.map((model) => {
    const adapter = cards.get(model.handle)?.value?.kind === 'adapter';
    return adapter && model.on === null ? { ...model, on: onto } : model;
  });
  value = { ...value, source: { ...source, models } };
}

async function ask(purpose: Parameters<typeof shell.choose>[0]['purpose']): Promise<Chosen[]> {
  try {
    return (await shell.choose({ purpose })) ?? [];
  } catch (error) {
    toasts.error(error);
    return [];
  }
}
