/** What is chosen to be merged: the draft, what its models are, and what a merge of it would need. */
import { SvelteMap } from 'svelte/reactivity';
import type { Chosen } from '../../../main/api/shell.ts';
import type {
  WeightsDraft,
  WeightsFile,
  WeightsForm,
  WeightsMethod,
  WeightsModel,
  WeightsPlan,
} from '../../../main/api/weights.ts';
import { choose } from '../../lib/choose.ts';
import { compute } from '../../lib/connection.ts';
import { Edited } from '../../lib/edited.svelte.ts';
import { models } from '../../lib/models.svelte.ts';
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

const edited = new Edited<WeightsDraft>('weights', {
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
/** Of files that say more than the form can show; by handle. */
const files = new SvelteMap<string, WeightsFile>();
let opening = $state(false);

interface Lacking {
  readonly file: Chosen;
  /** Names on the Hub. */
  readonly models: readonly string[];
}
let lacking = $state.raw<Lacking | undefined>();

export const weights = {
  get value(): WeightsDraft {
    return edited.value;
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
    const { source } = edited.value;
    return source.kind === 'form' ? source : undefined;
  },
  get file(): WeightsFile | undefined {
    const { source } = edited.value;
    return source.kind === 'file' ? files.get(source.file) : undefined;
  },
  get method(): WeightsMethod | undefined {
    const { form } = weights;
    return form && methods.value?.find(({ id }) => id === form.method);
  },
  get opening(): boolean {
    return opening;
  },

  async ready(): Promise<void> {
    if (methods.value === undefined && !methods.loading) {
      await methods.load(() => compute.weights.methods());
    }
  },

  /** Asks what a merge of the draft would need. */
  async check(): Promise<void> {
    const asked = edited.value;
    if (asked.source.kind === 'form' && asked.source.models.length === 0) plan.clear();
    else await plan.load((signal) => compute.weights.plan(asked, { signal }));
  },

  /** Changes the draft, with a way back; edits with the same key that follow each other are one. */
  change(title: string, next: WeightsDraft, key?: string): void {
    edited.change(title, next, key);
  },

  changeForm(title: string, change: Partial<WeightsForm>, key?: string): void {
    const { form } = weights;
    if (form === undefined) return;
    edited.change(title, { ...edited.value, source: { ...form, ...change } }, key);
  },

  changeModel(index: number, title: string, change: Partial<WeightsModel>, key?: string): void {
    const all = weights.form?.models;
    const model = all?.[index];
    if (all === undefined || model === undefined) return;
    weights.changeForm(title, { models: all.with(index, { ...model, ...change }) }, key);
  },

  /** Adds what was chosen or dropped; a model that is in the list already is not added again. */
  async add(chosen: readonly Chosen[]): Promise<void> {
    const form = weights.form ?? emptyForm;
    const fresh = models.fresh(
      chosen,
      form.models.map(({ handle }) => handle),
    );
    if (fresh.length === 0) return;
    const added = fresh.map(({ handle }): WeightsModel => ({ handle, on: null, settings: {} }));
    const source = { ...form, models: [...form.models, ...added] };
    const title = fresh.length === 1 ? 'Add a model' : 'Add models';
    edited.change(title, { ...edited.value, source });
    await models.describe(fresh.map(({ handle }) => handle));
    applyAdapters();
  },

  async choose(purpose: 'models' | 'model-files'): Promise<void> {
    const chosen = await choose(purpose);
    if (chosen.length > 0) await weights.add(chosen);
  },

  remove(index: number): void {
    const form = weights.form;
    const gone = form?.models[index];
    if (form === undefined || gone === undefined) return;
    weights.changeForm(`Remove ${models.titleOf(gone.handle)}`, {
      models: form.models
        .toSpliced(index, 1)
        .map((model) => (model.on === gone.handle ? { ...model, on: null } : model)),
      base: form.base === gone.handle ? null : form.base,
    });
  },

  /** Moves a model up (−1) or down (1). */
  move(index: number, by: -1 | 1): void {
    const all = weights.form?.models;
    const moved = all?.[index];
    const other = all?.[index + by];
    if (all === undefined || moved === undefined || other === undefined) return;
    weights.changeForm('Move a model', { models: all.with(index, other).with(index + by, moved) });
  },

  /** A file that names models which must be downloaded first. */
  get lacking(): Lacking | undefined {
    return lacking;
  },
  dismissLacking(): void {
    lacking = undefined;
  },

  async openFile(): Promise<void> {
    const [chosen] = await choose('merge-file');
    if (chosen !== undefined) await weights.open(chosen);
  },

  async open(chosen: Chosen): Promise<void> {
    opening = true;
    try {
      const { form, fixes, file, missing } = await compute.weights.open({ file: chosen.handle });
      lacking = missing.length > 0 ? { file: chosen, models: missing } : undefined;
      if (lacking !== undefined) return;
      if (file !== null) files.set(chosen.handle, file);
      const source = form ?? ({ kind: 'file', file: chosen.handle, dtype: null } as const);
      edited.change(`Open ${chosen.title}`, { ...edited.value, source, fixes });
      await models.describe(
        (form?.models ?? []).flatMap(({ handle, on }) => (on === null ? [handle] : [handle, on])),
      );
    } catch (error) {
      toasts.error(error);
    } finally {
      opening = false;
    }
  },

  /** Back from a file to an empty form. */
  closeFile(): void {
    edited.change('Close the file', { ...edited.value, source: emptyForm, fixes: [] });
  },

  async chooseOutput(): Promise<void> {
    const [chosen] = await choose('merged');
    if (chosen === undefined) return;
    models.remember([chosen]);
    const output = chosen.handle;
    edited.change('Choose the place', { ...edited.value, output, overwrite: false });
  },
};

/** An adapter changes the base, or the first model there is, until somebody says otherwise. */
function applyAdapters(): void {
  const { source } = edited.value;
  if (source.kind !== 'form') return;
  const isKind = (kind: 'model' | 'adapter', { handle }: WeightsModel) =>
    models.card(handle)?.value?.kind === kind;
  const onto = source.base ?? source.models.find((model) => isKind('model', model))?.handle;
  if (onto === undefined) return;
  const applied = source.models.map((model) =>
    isKind('adapter', model) && model.on === null ? { ...model, on: onto } : model,
  );
  edited.value = { ...edited.value, source: { ...source, models: applied } };
}
