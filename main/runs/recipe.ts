/** The recipe: the full, re-runnable description of a run, as a YAML file a person writes. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { z } from 'zod';
import { storages } from '../engine/engine.ts';
import { engineChoices } from '../engine/registry.ts';
import { modelPath } from '../hub/local.ts';
import { closest } from '../lib/closest.ts';
import { AppError } from '../lib/errors.ts';
import { parseRecipeYaml, type RecipePlace } from '../lib/recipe-yaml.ts';
import { formatProtocol, protocolSchema, refuseProtocol, seenTasks } from './protocol.ts';
import { orderedPreprocessing, preprocessingSchema } from './preprocessing-entry.ts';
import { idSchema as id, orderedTask, pathSchema as path, resolvedTask, taskSchema } from './recipe-task.ts';

const count = z.int().min(1).max(65_536);

const parameter = z.union([z.number(), z.string(), z.boolean(), z.array(z.number())]);
export type ParameterValue = z.infer<typeof parameter>;
export type MethodParameters = Readonly<Record<string, ParameterValue>>;

const method = z
  .strictObject({
    id,
    method: id.optional(),
    parameters: z.record(z.string(), parameter).optional(),
  })
  .transform((entry) => ({
    id: entry.id,
    method: entry.method ?? entry.id,
    parameters: entry.parameters ?? {},
  }));

/** Batches hold images of all tasks in random order; each image still has the head of its own task. */
const mixed = z.boolean().optional();

/** Schema 1 of a recipe; parsing fills in every default. */
export const recipeSchema = z.strictObject({
  schema: z.literal(1),
  name: z.string().trim().min(1).max(100),
  seed: z.int().min(0).default(0),
  base: path,
  tasks: z.array(taskSchema).min(1),
  methods: z.array(method).min(1),
  /** How images that are not stored at the size of the encoder are prepared, where its settings are to be overruled. */
  preprocessing: preprocessingSchema.optional(),
  adaptation: z
    .strictObject({
      batch: count.default(16),
      data: z.enum(['test']).default('test'),
      mixed,
    })
    .prefault({}),
  evaluation: z.strictObject({ batch: count.default(125), mixed }).prefault({}),
  ...protocolSchema,
  engine: z
    .strictObject({
      id: z.enum(engineChoices).default('auto'),
      threads: z.int().min(1).max(1024).optional(),
      /** How frozen weights are kept; fp16 halves their memory and rounds them. */
      storage: z.enum(storages).optional(),
    })
    .optional(),
  /**
   * Allows labels of this many images of each task to be read during adaptation, to draw an accuracy
   * curve. Nothing is learned from them.
   */
  monitor: z.strictObject({ images: z.int().min(1).max(10_000) }).optional(),
  export: z
    .strictObject({
      method: id,
      formats: z.array(z.enum(['safetensors', 'onnx'])).min(1),
      mode: z.enum(['dynamic', 'static']).default('dynamic'),
    })
    .optional(),
});

export type Recipe = z.output<typeof recipeSchema>;
export type RecipeMethod = Recipe['methods'][number];

/** What a recipe is checked against without this module knowing any method. */
export interface MethodCatalogue {
  readonly ids: readonly string[];
  /**
   * Refuses parameters the method does not take. `where` says where in the recipe the parameters, or
   * the one named, stand.
   */
  validate(
    methodId: string,
    parameters: MethodParameters,
    expertCount: number,
    where: ParameterPlace,
  ): void;
  /** Refuses entry `index` where it goes on from a merge that does not stand before it. */
  validateOrder(methods: readonly RecipeMethod[], index: number, where: ParameterPlace): void;
}
export type ParameterPlace = (parameter?: string) => string;

/**
 * Reads a recipe from YAML text. Every fault names file, line, column and key. `file` is only used in
 * messages.
 */
export function parseRecipe(text: string, file: string, methods?: MethodCatalogue): Recipe {
  const { value: recipe, place } = parseRecipeYaml(text, file, recipeSchema);
  refuseRepeats(recipe.tasks, 'tasks', 'task', place);
  refuseRepeats(recipe.methods, 'methods', 'method', place);
  refuseExport(recipe, place);
  refuseProtocol(recipe, place);
  if (methods !== undefined) checkMethods(recipe, methods, place);
  return recipe;
}

/** Reads the recipe file at `path` and checks it. */
export async function readRecipe(path: string, methods?: MethodCatalogue): Promise<Recipe> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    throw new AppError('recipe.unreadable', {
      what: cause instanceof TypeError ? 'the recipe is not UTF-8 text' : unreadable(cause),
      where: path,
      hint: 'check the path of the recipe',
      cause,
    });
  }
  return parseRecipe(text, path, methods);
}

function unreadable(cause: unknown): string {
  const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (errno === 'ENOENT' || errno === 'ENOTDIR') return 'there is no recipe here';
  if (errno === 'EISDIR') return 'a folder is where the recipe should be';
  return `the recipe cannot be read (${errno})`;
}

function refuseRepeats(
  entries: readonly { readonly id: string }[],
  key: string,
  noun: string,
  place: RecipePlace,
): void {
  // Ids name files, and some file systems do not tell case apart.
  const seen = new Map<string, number>();
  for (const [index, entry] of entries.entries()) {
    const first = seen.get(entry.id.toLowerCase());
    if (first !== undefined) {
      throw new AppError('recipe.invalid', {
        what: `the ${noun} id "${entry.id}" occurs twice; ${key}[${first}] has it already`,
        where: place([key, index, 'id']),
        hint: `give every ${noun} its own id`,
      });
    }
    seen.set(entry.id.toLowerCase(), index);
  }
}

function refuseExport(recipe: Recipe, place: RecipePlace): void {
  const wanted = recipe.export;
  if (wanted === undefined) return;
  const ids = recipe.methods.map((entry) => entry.id);
  if (!ids.includes(wanted.method)) {
    throw new AppError('recipe.invalid', {
      what: `"${wanted.method}" is to be exported, but no method of this recipe has that id`,
      where: place(['export', 'method']),
      hint: `name one of ${ids.join(', ')}`,
    });
  }
  if (new Set(wanted.formats).size !== wanted.formats.length) {
    throw new AppError('recipe.invalid', {
      what: 'a format is listed twice',
      where: place(['export', 'formats']),
      hint: 'list each format once',
    });
  }
}

function checkMethods(recipe: Recipe, methods: MethodCatalogue, place: RecipePlace): void {
  for (const [index, entry] of recipe.methods.entries()) {
    if (!methods.ids.includes(entry.method)) {
      const written = place(['methods', index, 'method'], ['methods', index, 'id']);
      throw unknownMethod(entry.method, methods.ids, written);
    }
    const where: ParameterPlace = (parameter) =>
      parameter === undefined
        ? place(['methods', index, 'parameters'], ['methods', index])
        : place(['methods', index, 'parameters', parameter], ['methods', index]);
    methods.validate(entry.method, entry.parameters, seenTasks(recipe).length, where);
    methods.validateOrder(recipe.methods, index, where);
  }
}

/** The error for a method name that no method record has. */
function unknownMethod(name: string, known: readonly string[], where: string): AppError {
  const meant = closest(name, known);
  return new AppError('recipe.unknown_method', {
    what: `there is no merging method "${name}"`,
    where,
    hint: `${meant === undefined ? '' : `did you mean "${meant}"? `}known methods: ${known.join(', ')}`,
  });
}

/**
 * The canonical YAML text of a recipe: fixed key order, parameters by name, defaults written out. Equal
 * recipes give equal bytes.
 */
export function formatRecipe(recipe: Recipe): string {
  const ordered = {
    schema: recipe.schema,
    name: recipe.name,
    seed: recipe.seed,
    base: recipe.base,
    tasks: recipe.tasks.map(orderedTask),
    methods: recipe.methods.map((entry) => ({
      id: entry.id,
      ...(entry.method === entry.id ? {} : { method: entry.method }),
      ...(Object.keys(entry.parameters).length === 0
        ? {}
        : { parameters: sortedByKey(entry.parameters) }),
    })),
    ...(recipe.preprocessing && { preprocessing: orderedPreprocessing(recipe.preprocessing) }),
    adaptation: {
      batch: recipe.adaptation.batch,
      data: recipe.adaptation.data,
      ...(recipe.adaptation.mixed === true && { mixed: true }),
    },
    evaluation: {
      batch: recipe.evaluation.batch,
      ...(recipe.evaluation.mixed === true && { mixed: true }),
    },
    ...formatProtocol(recipe),
    ...(recipe.engine === undefined
      ? {}
      : {
          engine: {
            id: recipe.engine.id,
            ...(recipe.engine.threads === undefined ? {} : { threads: recipe.engine.threads }),
            ...(recipe.engine.storage === 'fp16' && { storage: 'fp16' }),
          },
        }),
    ...(recipe.monitor === undefined ? {} : { monitor: { images: recipe.monitor.images } }),
    ...(recipe.export === undefined
      ? {}
      : {
          export: {
            method: recipe.export.method,
            formats: recipe.export.formats,
            mode: recipe.export.mode,
          },
        }),
  };
  return stringify(ordered, { lineWidth: 0, aliasDuplicateObjects: false });
}

function sortedByKey(parameters: MethodParameters): MethodParameters {
  return Object.fromEntries(Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** SHA-256 of the canonical text, in hexadecimal: what identifies a recipe in reports and saved states. */
export function recipeHash(recipe: Recipe): string {
  return createHash('sha256').update(formatRecipe(recipe)).digest('hex');
}

/** The recipe with every path made absolute, seen from the folder the recipe lies in. */
export function resolveRecipePaths(recipe: Recipe, folder: string): Recipe {
  return {
    ...recipe,
    base: modelPath(folder, recipe.base),
    tasks: recipe.tasks.map((entry) => resolvedTask(entry, folder)),
  };
}
