/** The images of a task as its run uses them. */
import { corruptImages } from '../data/corruptions/corruptions.ts';
import type { ImageSet } from '../data/images.ts';
import type { LabelledSet } from '../data/labelled.ts';
import { corruptionOf } from './protocol.ts';
import type { Recipe } from './recipe.ts';

/** The set with its images corrupted where the recipe says so. Throws CancelledError. */
export async function corruptedSet(
  set: LabelledSet,
  recipe: Pick<Recipe, 'corruption' | 'seed'>,
  task: string,
  signal?: AbortSignal,
): Promise<LabelledSet> {
  return { ...set, images: await corruptedImages(set.images, recipe, task, signal) };
}

/** The same for images alone. */
export async function corruptedImages(
  images: ImageSet,
  recipe: Pick<Recipe, 'corruption' | 'seed'>,
  task: string,
  signal?: AbortSignal,
): Promise<ImageSet> {
  const choice = corruptionOf(recipe, task);
  if (choice === undefined) return images;
  const store = await corruptImages(images.store, choice, { seed: recipe.seed, task }, signal);
  return { ...images, store };
}
