/** What is chosen to make an adapter of: the form, what its parts are, and what would come out. */
import type {
  LoraDraft,
  LoraPlan,
  LoraSettings,
  LoraWay,
  LoraWays,
} from '../../../main/api/lora.ts';
import type { Chosen } from '../../../main/api/shell.ts';
import { choose } from '../../lib/choose.ts';
import { compute } from '../../lib/connection.ts';
import { Edited } from '../../lib/edited.svelte.ts';
import { models } from '../../lib/models.svelte.ts';
import { Resource } from '../../lib/resource.svelte.ts';
import { draftOf, emptyForm, type LoraAction, type LoraForm, type LoraPart } from './form.ts';

const edited = new Edited<LoraForm>('lora', emptyForm);
const ways = new Resource<LoraWays>();
const plan = new Resource<LoraPlan>();

export const loras = {
  get value(): LoraForm {
    return edited.value;
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
    return draftOf(edited.value);
  },
  /** The chosen way to combine or to extract. */
  get way(): LoraWay | undefined {
    const form = edited.value;
    return ways.value?.[form.action].find(({ id }) => id === form[form.action].way);
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
    edited.change(title, { ...edited.value, ...part }, key);
  },

  setAction(action: LoraAction): void {
    plan.clear();
    edited.value = { ...edited.value, action };
  },

  chooseWay(way: LoraWay): void {
    const { action } = edited.value;
    loras.change(`Choose ${way.title}`, { [action]: { ...edited.value[action], way: way.id } });
  },

  changeSettings(title: string, settings: LoraSettings, key?: string): void {
    const { action } = edited.value;
    loras.change(title, { [action]: { ...edited.value[action], settings } }, key);
  },

  setWeight(index: number, weight: number): void {
    const adapter = edited.value.adapters[index];
    if (adapter === undefined) return;
    const adapters = edited.value.adapters.with(index, { ...adapter, weight });
    loras.change('Change a weight', { adapters }, `weight ${index}`);
  },

  /** Adds what was chosen or dropped; what is in the list already is not added again. */
  async add(chosen: readonly Chosen[]): Promise<void> {
    const fresh = models.fresh(
      chosen,
      edited.value.adapters.map(({ handle }) => handle),
    );
    if (fresh.length === 0) return;
    const added = fresh.map(({ handle }) => ({ handle, weight: 1 }));
    loras.change(fresh.length === 1 ? 'Add an adapter' : 'Add adapters', {
      adapters: [...edited.value.adapters, ...added],
    });
    await models.describe(fresh.map(({ handle }) => handle));
  },

  remove(index: number): void {
    const gone = edited.value.adapters[index];
    if (gone === undefined) return;
    const title = `Remove ${models.titleOf(gone.handle)}`;
    loras.change(title, { adapters: edited.value.adapters.toSpliced(index, 1) });
  },

  /** The fine-tuned checkpoint, or what it was tuned from. */
  async setPart(part: LoraPart, { handle, title }: Chosen): Promise<void> {
    models.remember([{ handle, title }]);
    loras.change(`Choose ${title}`, { [part]: handle });
    await models.describe([handle]);
  },

  async chooseAdapters(): Promise<void> {
    const chosen = await choose('adapters');
    if (chosen.length > 0) await loras.add(chosen);
  },

  async choosePart(part: LoraPart): Promise<void> {
    const [chosen] = await choose(part);
    if (chosen !== undefined) await loras.setPart(part, chosen);
  },

  async chooseOutput(): Promise<void> {
    const [chosen] = await choose('adapter');
    if (chosen === undefined) return;
    models.remember([chosen]);
    loras.change('Choose the place', { output: chosen.handle });
  },

  /** What was dropped: adapters to combine; else the fine-tuned model first, then its base. */
  async take(dropped: readonly Chosen[]): Promise<void> {
    if (edited.value.action === 'combine') return loras.add(dropped);
    for (const chosen of dropped.slice(0, 2)) {
      await loras.setPart(edited.value.tuned === null ? 'tuned' : 'base', chosen);
    }
  },
};
