/** What is chosen to make an adapter of: the form, what its parts are, and what would come out. */
import { SvelteMap } from 'svelte/reactivity';
import type {
  LoraDraft,
  LoraPlan,
  LoraSettings,
  LoraWay,
  LoraWays,
} from '../../../main/api/lora.ts';
import type { Chosen } from '../../../main/api/shell.ts';
import type { WeightsCard } from '../../../main/api/weights.ts';
import { compute, shell } from '../../lib/connection.ts';
import { history } from '../../lib/history.svelte.ts';
import { Resource } from '../../lib/resource.svelte.ts';
import { toasts } from '../../lib/toasts.svelte.ts';
import { draftOf, emptyForm, type LoraAction, type LoraForm, type LoraPart } from './form.ts';

let value = $state.raw<LoraForm>(emptyForm);
const ways = new Resource<LoraWays>();
const plan = new Resource<LoraPlan>();
/** By handle. */
const cards = new SvelteMap<string, Resource<WeightsCard>>();
const titles = new SvelteMap<string, string>();

export const loras = {
  get value(): LoraForm {
    return value;
  },
  get ways(): Resource<LoraWays> {
    return ways;
  },
  /** Of the form as it was a moment ago while `plan.loading`. */
  get plan(): Resource<LoraPlan> {
    return plan;
  },
  /** Undefined while something is missing that a plan needs. */
  get draft(): LoraDraft | undefined {
    return draftOf(value);
  },
  /** The chosen way to combine or to extract. */
  get way(): LoraWay | undefined {
    return ways.value?.[value.action].find(({ id }) => id === value[value.action].way);
  },

  card(handle: string): Resource<WeightsCard> | undefined {
    return cards.get(handle);
  },
  titleOf(handle: string): string {
    return cards.get(handle)?.value?.title ?? titles.get(handle) ?? 'a folder';
  },

  async ready(): Promise<void> {
    if (ways.value === undefined && !ways.loading) {
      await ways.load(() => compute.lora.ways());
    }
  },

  /** Asks what the draft would give. */
  async check(): Promise<void> {
    const asked = loras.draft;
    if (asked === undefined) plan.clear();
    else await plan.load((signal) => compute.lora.plan(asked, { signal }));
  },

  /** Changes the form, with a way back; edits with the same key that follow each other are one. */
  change(title: string, part: Partial<LoraForm>, key?: string): void {
    const before = value;
    const next = { ...value, ...part };
    value = next;
    history.add({
      title,
      undo: () => void (value = before),
      redo: () => void (value = next),
      key: key === undefined ? undefined : `lora ${key}`,
    });
  },

  setAction(action: LoraAction): void {
    plan.clear();
    value = { ...value, action };
  },

  chooseWay(way: LoraWay): void {
    const { action } = value;
    loras.change(`Choose ${way.title}`, { [action]: { ...value[action], way: way.id } });
  },

  changeSettings(title: string, settings: LoraSettings, key?: string): void {
    const { action } = value;
    loras.change(title, { [action]: { ...value[action], settings } }, key);
  },

  setWeight(index: number, weight: number): void {
    const adapter = value.adapters[index];
    if (adapter === undefined) return;
    const adapters = value.adapters.with(index, { ...adapter, weight });
    loras.change('Change a weight', { adapters }, `weight ${index}`);
  },

  /** Adds what was chosen or dropped; what is in the list already is not added again. */
  async add(chosen: readonly Chosen[]): Promise<void> {
    remember(chosen);
    const taken = value.adapters.map(({ handle }) => handle);
    const fresh = chosen.filter(({ handle }) => !taken.includes(handle));
    if (fresh.length < chosen.length) {
      toasts.show({ kind: 'note', text: 'What is in the list already was not added again.' });
    }
    if (fresh.length === 0) return;
    const added = fresh.map(({ handle }) => ({ handle, weight: 1 }));
    loras.change(fresh.length === 1 ? 'Add an adapter' : 'Add adapters', {
      adapters: [...value.adapters, ...added],
    });
    await Promise.all(fresh.map(({ handle }) => describe(handle)));
  },

  remove(index: number): void {
    const gone = value.adapters[index];
    if (gone === undefined) return;
    const title = `Remove ${loras.titleOf(gone.handle)}`;
    loras.change(title, { adapters: value.adapters.toSpliced(index, 1) });
  },

  /** The fine-tuned checkpoint, or what it was tuned from. */
  async setPart(part: LoraPart, { handle, title }: Chosen): Promise<void> {
    remember([{ handle, title }]);
    loras.change(`Choose ${title}`, { [part]: handle });
    await describe(handle);
  },

  async chooseAdapters(): Promise<void> {
    const chosen = await ask('adapters');
    if (chosen.length > 0) await loras.add(chosen);
  },

  async choosePart(part: LoraPart): Promise<void> {
    const [chosen] = await ask(part);
    if (chosen !== undefined) await loras.setPart(part, chosen);
  },

  async chooseOutput(): Promise<void> {
    const [chosen] = await ask('adapter');
    if (chosen === undefined) return;
    remember([chosen]);
    loras.change('Choose the place', { output: chosen.handle });
  },

  /** What was dropped: adapters to combine; else the fine-tuned model first, then its base. */
  async take(dropped: readonly Chosen[]): Promise<void> {
    if (value.action === 'combine') return loras.add(dropped);
    for (const chosen of dropped.slice(0, 2)) {
      await loras.setPart(value.tuned === null ? 'tuned' : 'base', chosen);
    }
  },
};

function remember(chosen: readonly Chosen[]): void {
  for (const { handle, title } of chosen) titles.set(handle, title);
}

async function describe(handle: string): Promise<void> {
  const resource = cards.get(handle) ?? new Resource<WeightsCard>();
  cards.set(handle, resource);
  await resource.load(() => compute.weights.describe({ handle }));
}

async function ask(purpose: Parameters<typeof shell.choose>[0]['purpose']): Promise<Chosen[]> {
  try {
    return (await shell.choose({ purpose })) ?? [];
  } catch (error) {
    toasts.error(error);
    return [];
  }
}
