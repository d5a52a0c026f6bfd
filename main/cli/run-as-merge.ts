/** The static part of a run's recipe as a merge of weights, so that it can be checked as one. */
import { recipeFromFlags } from '../merging/planning/from-flags.ts';
import type { MergekitTranslation } from '../merging/planning/mergekit-yaml.ts';
import { AppError } from '../lib/errors.ts';
import { catalogueEntry, methodCatalogue } from '../runs/catalogue.ts';
import { readRecipe, resolveRecipePaths, type Recipe, type RecipeMethod } from '../runs/recipe.ts';
import { recipeFolder } from '../runs/run-folder.ts';

export async function readRunAsMerge(
  path: string,
  method: string | undefined,
): Promise<MergekitTranslation> {
  const recipe = await readRecipe(path, methodCatalogue);
  const entry = chooseStatic(recipe, method, path);
  const { base, tasks, seed } = resolveRecipePaths(recipe, await recipeFolder(path));
  const set = Object.entries(entry.parameters).map(
    ([key, value]) => `${key}=${Array.isArray(value) ? value.join(',') : String(value)}`,
  );
  const experts = tasks.map(({ expert }) => expert);
  const merge = recipeFromFlags({
    method: entry.method,
    base,
    experts,
    set,
    dtype: undefined,
    seed,
  });
  return { recipe: merge, notes: [], oneVocabulary: undefined };
}

/** The recipe's one static method, or the one wanted. Throws `recipe.unknown_method`. */
export function chooseStatic(
  recipe: Recipe,
  wanted: string | undefined,
  where: string,
): RecipeMethod {
  const candidates = recipe.methods.filter(
    (entry) => catalogueEntry(entry.method).kind === 'static',
  );
  const ids = candidates.map(({ id }) => id).join(', ');
  const [only, ...others] = candidates.filter(({ id }) => wanted === undefined || id === wanted);
  if (only !== undefined && others.length === 0) return only;
  throw new AppError('recipe.unknown_method', {
    what:
      wanted === undefined
        ? `the recipe has ${String(candidates.length)} static methods`
        : `the recipe has no static method "${wanted}"`,
    where,
    hint:
      ids === ''
        ? 'use "mergewright run" for methods that learn'
        : `add --method with one of: ${ids}`,
  });
}
