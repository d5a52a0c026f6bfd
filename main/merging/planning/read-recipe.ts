/** A file of either form as a recipe with absolute paths. */
import { dirname, resolve } from 'node:path';
import { notDownloaded } from '../../hub/local.ts';
import { formatHubName, type HubName } from '../../hub/name.ts';
import { topLevelKeys } from '../../lib/recipe-yaml.ts';
import { isOfOtherProgram } from './mergekit-refusals.ts';
import { mergekitKey, parseMergekit, type MergekitTranslation } from './mergekit-yaml.ts';
import { mergeRecipeKey, parseMergeRecipe } from './recipe-file.ts';
import type { MergeRecipe, ModelPart } from './recipe.ts';
import { resolveReference } from './references.ts';

/** What kind of file a text is, by its keys; undefined for one that is no merge of weights. */
export function mergeFileKind(text: string): 'mergekit' | 'recipe' | undefined {
  const keys = topLevelKeys(text);
  if (keys.includes(mergekitKey) || isOfOtherProgram(keys)) return 'mergekit';
  return keys.includes(mergeRecipeKey) ? 'recipe' : undefined;
}

/**
 * Reads the text of a mergekit file or of a recipe. Paths of a recipe are seen from its folder; those
 * of a mergekit file from the current folder, as mergekit does, then from its own. Throws `recipe.*`.
 */
export function readMergeFile(text: string, path: string): MergekitTranslation {
  const folder = dirname(resolve(path));
  if (mergeFileKind(text) === 'mergekit') {
    const { recipe, ...rest } = parseMergekit(text, path);
    return { recipe: withAbsolutePaths(recipe, [process.cwd(), folder], path), ...rest };
  }
  const recipe = withAbsolutePaths(parseMergeRecipe(text, path), [folder], path);
  return { recipe, notes: [], oneVocabulary: undefined };
}

/** The recipe with every path looked up in `folders`; throws `hub.not_downloaded`, which names all that are missing. */
export function withAbsolutePaths(
  recipe: MergeRecipe,
  folders: readonly string[],
  where: string,
): MergeRecipe {
  const missing = new Map<string, HubName>();
  const absolute = (reference: string): string =>
    resolveReference(reference, folders, (name) => missing.set(formatHubName(name), name));
  const part = <Part extends ModelPart>(entry: Part): Part => ({
    ...entry,
    model: absolute(entry.model),
  });
  const found = {
    ...recipe,
    base: recipe.base === undefined ? undefined : absolute(recipe.base),
    tokenizer: recipe.tokenizer === undefined ? undefined : absolute(recipe.tokenizer),
    slices: recipe.slices.map((slice) => ({
      ...slice,
      base: slice.base && part(slice.base),
      experts: slice.experts.map(part),
    })),
  };
  if (missing.size > 0) throw notDownloaded([...missing.values()], where);
  return found;
}
