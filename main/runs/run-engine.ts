/** The engine of a run: the one its recipe names, or the one it began on. */
import { openModel } from '../checkpoints/open-model.ts';
import type { BlockShape } from '../engine/calibration-step.ts';
import { createEngine, type ChosenEngine } from '../engine/choice.ts';
import { engineListingIds, openEngine, type EngineOptions } from '../engine/registry.ts';
import { modelPath } from '../hub/local.ts';
import { tokenCount } from '../models/vision-config.ts';
import { visionArchitecture } from '../models/vision-model.ts';
import { readEvents } from './events.ts';
import type { Recipe } from './recipe.ts';
import { readRunRecipe, type RunFolder } from './run-folder.ts';
import { engineText } from './run-start.ts';
import { storageOf } from './storage.ts';

/** `folder` is what the recipe's paths are relative to. Throws `engine.unavailable`. */
export async function engineOf(
  recipe: Pick<Recipe, 'engine' | 'base' | 'adaptation'>,
  folder: string,
): Promise<ChosenEngine> {
  const { id = 'auto' } = recipe.engine ?? {};
  const { base, adaptation } = recipe;
  const shape = id === 'auto' ? await blockShape(base, adaptation.batch, folder) : undefined;
  return createEngine(id, { ...engineOptions(recipe), ...(shape && { shape }) });
}

/** Where the recipe leaves the choice open, the engine the run began on: measuring might choose another. */
export async function engineToGoOn(run: RunFolder): Promise<ChosenEngine> {
  const { recipe, folder } = await readRunRecipe(run);
  const { id = 'auto' } = recipe.engine ?? {};
  const [first] = await readEvents(run.eventsPath);
  if (id !== 'auto' || first?.type !== 'run.started') return engineOf(recipe, folder);
  for (const listed of engineListingIds) {
    const engine = await openEngine(listed, engineOptions(recipe)).catch(() => undefined);
    if (engine !== undefined && engineText(engine) === first.engine) {
      return { ...engine, reason: 'the run began on it' };
    }
  }
  return engineOf(recipe, folder);
}

function engineOptions(recipe: Pick<Recipe, 'engine'>): EngineOptions {
  const { threads } = recipe.engine ?? {};
  return { ...(threads !== undefined && { threads }), storage: storageOf(recipe) };
}

/**
 * What a block of a recipe's base model computes for this many images; undefined when the model cannot be opened.
 * `base` may be relative to `folder`.
 */
export async function blockShape(
  base: string,
  images: number,
  folder: string,
): Promise<BlockShape | undefined> {
  try {
    return await modelBlockShape(modelPath(folder, base), images);
  } catch {
    // Whoever opens it to merge says what is wrong with it.
    return undefined;
  }
}

/** What a block of the model at `path` computes for this many images. Throws what opening a model throws. */
export async function modelBlockShape(path: string, images: number): Promise<BlockShape> {
  const checkpoint = await openModel(path);
  try {
    const config = visionArchitecture(checkpoint);
    return {
      images,
      tokens: tokenCount(config),
      width: config.hiddenSize,
      hidden: config.intermediateSize,
      heads: config.headCount,
    };
  } finally {
    await checkpoint.close();
  }
}
