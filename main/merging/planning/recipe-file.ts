/** The recipe of a merge of weights as a YAML file. */
import { stringify } from 'yaml';
import { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import { parseRecipeYaml, type KeyPath, type RecipePlace } from '../../lib/recipe-yaml.ts';
import { checkSettings, methodOf } from './check-settings.ts';
import { fixSchema } from './fixes.ts';
import {
  storedTypes,
  type ExpertPart,
  type MergeRecipe,
  type ModelPart,
  type RecipeSlice,
} from './recipe.ts';
import { settingsSchema, type ParameterSettings } from './values.ts';

const model = z.string().min(1).max(4096);
const layers = z.tuple([z.int().min(0), z.int().min(1)]);
const part = z.strictObject({ model, layers: layers.optional() });
const expert = part.extend({ parameters: settingsSchema });

const slice = z.strictObject({
  base: part.optional(),
  experts: z.array(expert).min(1),
  parameters: settingsSchema,
});

const recipeSchema = z.strictObject({
  schema: z.literal(1),
  merge: z.string().min(1),
  seed: z.int().min(0).default(0),
  dtype: z.enum(storedTypes).default('keep'),
  base: model.optional(),
  experts: z.array(expert).min(1).optional(),
  slices: z.array(slice).min(1).optional(),
  parameters: settingsSchema,
  fixes: z.array(fixSchema).default([]),
  tokenizer: model.optional(),
  chat_template: z.string().optional(),
});

/** The key that tells this kind of recipe from others. */
export const mergeRecipeKey = 'merge';

/** Reads a recipe as `formatMergeRecipe` writes it; throws `recipe.*` with line and column. */
export function parseMergeRecipe(text: string, file: string): MergeRecipe {
  const { value, place } = parseRecipeYaml(text, file, recipeSchema);
  const { schema: _, merge, experts, slices, base, chat_template: chatTemplate, ...rest } = value;
  const method = methodOf(merge, place(['merge']));
  const wholeModels =
    experts === undefined
      ? []
      : [{ base: base === undefined ? undefined : { model: base }, experts, parameters: {} }];
  const recipe: MergeRecipe = {
    ...rest,
    method: merge,
    base,
    chatTemplate,
    slices: refuseBoth(wholeModels, slices, place),
  };
  checkSettings(method, recipe, (path) => place(pathInFile(path, slices === undefined)));
  return recipe;
}

function refuseBoth(
  wholeModels: readonly RecipeSlice[],
  slices: readonly RecipeSlice[] | undefined,
  place: RecipePlace,
): readonly RecipeSlice[] {
  if (wholeModels.length > 0 !== (slices !== undefined)) return slices ?? wholeModels;
  throw new AppError('recipe.invalid', {
    what: 'a merge has either "experts" (whole models) or "slices" (layers of models)',
    where: place(['experts'], ['slices']),
    hint: slices === undefined ? 'add "experts", a list of models' : 'keep one of the two',
  });
}

/** Whole models stand at the top of the file, not in a slice. */
function pathInFile(path: KeyPath, whole: boolean): KeyPath {
  return whole && path[0] === 'slices' ? path.slice(2) : path;
}

/** The canonical text: equal recipes give equal bytes, and reading it gives the recipe again. */
export function formatMergeRecipe(recipe: MergeRecipe): string {
  const { method, seed, dtype, base, slices, parameters, fixes, tokenizer, chatTemplate } = recipe;
  const [first, ...others] = slices;
  const whole =
    first !== undefined &&
    others.length === 0 &&
    [first.base, ...first.experts].every((entry) => entry?.layers === undefined) &&
    first.base?.model === base &&
    Object.keys(first.parameters).length === 0;
  return stringify(
    {
      schema: 1,
      [mergeRecipeKey]: method,
      seed,
      dtype,
      ...(base === undefined ? {} : { base }),
      ...(whole
        ? { experts: first.experts.map(formatExpert) }
        : {
            slices: slices.map((entry) => ({
              ...(entry.base === undefined ? {} : { base: formatPart(entry.base) }),
              experts: entry.experts.map(formatExpert),
              ...formatSettings(entry.parameters),
            })),
          }),
      ...formatSettings(parameters),
      ...(fixes.length === 0 ? {} : { fixes }),
      ...(tokenizer === undefined ? {} : { tokenizer }),
      ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
    },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
}

function formatPart({ model: path, layers: range }: ModelPart): object {
  return { model: path, ...(range === undefined ? {} : { layers: range }) };
}

function formatExpert(entry: ExpertPart): object {
  return { ...formatPart(entry), ...formatSettings(entry.parameters) };
}

function formatSettings(settings: ParameterSettings): object {
  const sorted = Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.length === 0 ? {} : { parameters: Object.fromEntries(sorted) };
}
