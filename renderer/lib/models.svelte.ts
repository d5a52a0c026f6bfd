/** Models and adapters that were chosen, as their headers describe them; by handle. */
import { SvelteMap } from 'svelte/reactivity';
import type { Chosen } from '../../main/api/shell.ts';
import type { WeightsCard, WeightsInspection } from '../../main/api/weights.ts';
import { compute } from './connection.ts';
import { Resource } from './resource.svelte.ts';
import { toasts } from './toasts.svelte.ts';

const cards = new SvelteMap<string, Resource<WeightsCard>>();
/** Names of what was chosen, until more is known. */
const titles = new SvelteMap<string, string>();

export const models = {
  card(handle: string): Resource<WeightsCard> | undefined {
    return cards.get(handle);
  },
  titleOf(handle: string): string {
    return cards.get(handle)?.value?.title ?? titles.get(handle) ?? 'a model';
  },

  remember(chosen: readonly Chosen[]): void {
    for (const { handle, title } of chosen) titles.set(handle, title);
  },

  /** What of the chosen is not among `taken`; says where something is. */
  fresh(chosen: readonly Chosen[], taken: readonly string[]): readonly Chosen[] {
    models.remember(chosen);
    const fresh = chosen.filter(({ handle }) => !taken.includes(handle));
    if (fresh.length < chosen.length) {
      toasts.show({ kind: 'note', text: 'What is in the list already was not added again.' });
    }
    return fresh;
  },

  /** Reads headers, each once. */
  async describe(handles: readonly string[]): Promise<void> {
    const once = handles.filter((handle, index) => handles.indexOf(handle) === index);
    await Promise.all(once.map(describe));
  },
};

async function describe(handle: string): Promise<void> {
  const resource = cards.get(handle) ?? new Resource<WeightsCard>();
  cards.set(handle, resource);
  await resource.load(() => compute.weights.describe({ handle }));
}

/** Everything that the headers of a model say. */
export async function inspect(handle: string): Promise<WeightsInspection> {
  return compute.weights.inspect({ handle });
}
