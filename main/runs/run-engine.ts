/** The engine of a run: the one its recipe names, or the one it began on. */
import {
  createEngine,
  engineListingIds,
  openEngine,
  type ChosenEngine,
} from '../engine/registry.ts';
import { readEvents } from './events.ts';
import type { Recipe } from './recipe.ts';
import type { RunFolder } from './run-folder.ts';
import { engineText } from './run-start.ts';

/** Throws `engine.unavailable`. */
export function engineOf({ engine }: Pick<Recipe, 'engine'>): Promise<ChosenEngine> {
  const { id = 'auto', threads } = engine ?? {};
  return createEngine(id, threads === undefined ? {} : { threads });
}

/** Where the recipe leaves the choice open, the engine the run began on: measuring might choose another. */
export async function engineToGoOn(run: RunFolder, recipe: Recipe): Promise<ChosenEngine> {
  const { id = 'auto', threads } = recipe.engine ?? {};
  const [first] = await readEvents(run.eventsPath);
  if (id !== 'auto' || first?.type !== 'run.started') return engineOf(recipe);
  for (const listed of engineListingIds) {
    const options = threads === undefined ? {} : { threads };
    const engine = await openEngine(listed, options).catch(() => undefined);
    if (engine !== undefined && engineText(engine) === first.engine) {
      return { ...engine, reason: 'the run began on it' };
    }
  }
  return engineOf(recipe);
}
