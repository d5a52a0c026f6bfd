/** Drafts of the window as recipes, and files as drafts where the form can show all of them. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type {
  WeightsDraft,
  WeightsForm,
  WeightsModel,
  WeightsSettings,
} from '../../api/weights.ts';
import { AppError } from '../../lib/errors.ts';
import { checkSettings, methodOf } from '../../merging/planning/check-settings.ts';
import { applyFix } from '../../merging/planning/fixes.ts';
import type { MergekitTranslation } from '../../merging/planning/mergekit-yaml.ts';
import { mergeFileKind, readMergeFile } from '../../merging/planning/read-recipe.ts';
import type { MergeRecipe } from '../../merging/planning/recipe.ts';
import { splitReference } from '../../merging/planning/references.ts';
import type { ParameterSettings } from '../../merging/planning/values.ts';
import type { Session } from '../session.ts';

type Paths = Pick<Session, 'pathOf'>;

/** Throws `recipe.*`, and what `pathOf` throws. */
export async function recipeOf(draft: WeightsDraft, session: Paths): Promise<MergekitTranslation> {
  const { source } = draft;
  const translation =
    source.kind === 'form'
      ? { recipe: formRecipe(source, session), notes: source.notes, oneVocabulary: undefined }
      : await fileRecipe(session.pathOf(source.file), source.dtype);
  const recipe = draft.fixes.reduce(
    (fixed, fix) => applyFix(fixed, withoutPath(fix), 'the form'),
    translation.recipe,
  );
  return { ...translation, recipe };
}

/** A model that a fix names would be a path; the window has handles for models. */
function withoutPath(fix: string): string {
  return fix.startsWith('base=') ? 'base=' : fix;
}

async function fileRecipe(
  path: string,
  dtype: MergeRecipe['dtype'] | null,
): Promise<MergekitTranslation> {
  const translation = await readFileRecipe(path);
  if (dtype === null) return translation;
  return { ...translation, recipe: { ...translation.recipe, dtype } };
}

/** Throws `recipe.unreadable` and `recipe.invalid` for what is no recipe of weights. */
export async function readFileRecipe(path: string): Promise<MergekitTranslation> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    throw new AppError('recipe.unreadable', {
      what: 'the file cannot be read as UTF-8 text',
      where: path,
      hint: 'choose a mergekit YAML or a recipe of Mergewright',
      cause,
    });
  }
  if (mergeFileKind(text) !== undefined) return readMergeFile(text, path);
  throw new AppError('recipe.invalid', {
    what: `"${basename(path)}" is no mergekit YAML, nor a recipe for merging weights`,
    where: path,
    hint: 'choose a file with "merge_method" (mergekit) or "merge" (Mergewright)',
  });
}

/** As the path that planning takes: an adapter stands behind its model and a "+". */
export function referenceOf(
  { handle, on }: Pick<WeightsModel, 'handle' | 'on'>,
  session: Paths,
): string {
  const path = session.pathOf(handle);
  return on === null ? path : `${session.pathOf(on)}+${path}`;
}

function formRecipe(form: WeightsForm, session: Paths): MergeRecipe {
  const method = methodOf(form.method, 'the form');
  const chosen = method.inputs.base === 'unused' ? null : form.base;
  const base = chosen === null ? undefined : session.pathOf(chosen);
  const recipe: MergeRecipe = {
    method: method.id,
    seed: form.seed,
    dtype: form.dtype,
    base,
    slices: [
      {
        base: base === undefined ? undefined : { model: base },
        experts: form.models
          .filter(({ handle }) => handle !== chosen)
          .map((model) => ({
            model: referenceOf(model, session),
            parameters: known(model.settings, method.perExpert),
          })),
        parameters: {},
      },
    ],
    parameters: known(form.settings, { ...method.parameters, ...method.perExpert }),
    fixes: [],
  };
  checkSettings(method, recipe, (path) => `${String(path.at(-1))} in the form`);
  return recipe;
}

/** Values for another method stay in the draft, in case that one is chosen again. */
function known(
  settings: WeightsSettings,
  table: Readonly<Record<string, unknown>>,
): WeightsSettings {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => key in table));
}

/**
 * The recipe as a form; undefined where the form would have to leave something out. `give` makes handles of
 * paths.
 */
export function formOf(
  { recipe, notes, oneVocabulary }: MergekitTranslation,
  give: (path: string) => string,
): Pick<WeightsDraft, 'source' | 'fixes'> | undefined {
  const [slice, ...others] = recipe.slices;
  if (slice === undefined || others.length > 0 || oneVocabulary !== undefined) return undefined;
  if (recipe.tokenizer !== undefined || recipe.chatTemplate !== undefined) return undefined;
  if (recipe.base !== slice.base?.model) return undefined;
  const parts = [...(slice.base === undefined ? [] : [slice.base]), ...slice.experts];
  if (parts.some(({ layers }) => layers !== undefined)) return undefined;
  const paths = parts.map(({ model }) => model);
  if (new Set(paths).size !== paths.length) return undefined;
  const settings = plainSettings({ ...recipe.parameters, ...slice.parameters });
  const own = slice.experts.map(({ parameters }) => plainSettings(parameters));
  if (settings === undefined) return undefined;
  const handles = new Map<string, string>();
  const handleOf = (path: string): string => {
    const handle = handles.get(path) ?? give(path);
    handles.set(path, handle);
    return handle;
  };
  const models: WeightsModel[] = [];
  if (slice.base !== undefined) {
    if (splitReference(slice.base.model).adapter !== undefined) return undefined;
    models.push({ handle: handleOf(slice.base.model), on: null, settings: {} });
  }
  for (const [index, { model }] of slice.experts.entries()) {
    const values = own[index];
    if (values === undefined) return undefined;
    const parts = splitReference(model);
    const on = parts.adapter === undefined ? null : handleOf(parts.model);
    models.push({ handle: handleOf(parts.adapter ?? parts.model), on, settings: values });
  }
  const { method, seed, dtype } = recipe;
  const base = slice.base === undefined ? null : handleOf(slice.base.model);
  return {
    source: { kind: 'form', method, models, base, settings, dtype, seed, notes: [...notes] },
    fixes: [...recipe.fixes],
  };
}

/** Undefined where a value differs by depth or name. */
function plainSettings(given: ParameterSettings): WeightsSettings | undefined {
  const plain: WeightsSettings = {};
  for (const [key, setting] of Object.entries(given)) {
    if (typeof setting === 'object') return undefined;
    plain[key] = setting;
  }
  return plain;
}
