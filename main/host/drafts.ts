/** Drafts, what the Merge view edits, and the recipes they stand for. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Draft } from '../api/merge.ts';
import { corruptionNamed } from '../data/corruptions/corruptions.ts';
import { AppError } from '../lib/errors.ts';
import { readRecipe, recipeSchema, type Recipe } from '../runs/recipe.ts';
import type { OpenProject } from './open-project.ts';

/** Rows of the first table: what merges are compared with, two quick merges, and the one that routes. */
const usualMethods = ['pretrained', 'individual', 'simple_average', 'task_arithmetic', 'wemoe'];

/** The recipe.yaml that a project brings, such as that of the bundled benchmark, or undefined. */
async function ownRecipe(project: OpenProject): Promise<Recipe | undefined> {
  const path = join(project.folder, 'recipe.yaml');
  return existsSync(path) ? readRecipe(path) : undefined;
}

/** A sensible first draft: that of the project's own recipe, or the usual methods with their defaults. */
export async function firstDraft(project: OpenProject): Promise<Draft> {
  const recipe = await ownRecipe(project);
  if (recipe !== undefined) return draftOf(recipe, project);
  return {
    name: project.title.trim().slice(0, 100) || 'merge',
    seed: 0,
    tasks: project.materials.tasks.map(({ id }) => id),
    methods: usualMethods.map((id) => ({ id, method: id, parameters: {} })),
    adaptation: { batch: 16 },
    unseen: [],
    corruption: null,
    mixed: { adaptation: false, evaluation: false },
    engine: { id: 'auto' },
    monitor: null,
  };
}

/** The draft that would give `recipe` again, as far as the project still has its tasks. */
export function draftOf(recipe: Recipe, project: OpenProject): Draft {
  const known = new Set(project.materials.tasks.map(({ id }) => id));
  const { id = 'auto', threads, storage } = recipe.engine ?? {};
  return {
    name: recipe.name,
    seed: recipe.seed,
    tasks: recipe.tasks.map((task) => task.id).filter((task) => known.has(task)),
    methods: recipe.methods.map((entry) => ({ ...entry, parameters: { ...entry.parameters } })),
    adaptation: { batch: recipe.adaptation.batch },
    unseen: (recipe.unseen ?? []).filter((task) => known.has(task)),
    corruption:
      recipe.corruption === undefined
        ? null
        : { ...recipe.corruption, tasks: recipe.corruption.tasks ?? null },
    mixed: {
      adaptation: recipe.adaptation.mixed === true,
      evaluation: recipe.evaluation.mixed === true,
    },
    engine: {
      id,
      ...(threads === undefined ? {} : { threads }),
      ...(storage === 'fp16' && { storage }),
    },
    monitor: recipe.monitor ?? null,
  };
}

/**
 * The recipe of a draft; its paths are relative to the project folder. Throws `project.incomplete` when
 * the project lacks what the recipe would name, and `project.no_task`.
 */
export function recipeOf(draft: Draft, project: OpenProject): Recipe {
  const { base } = project.materials;
  if (base === null)
    throw incomplete('the project has no base model', 'choose the base model first');
  const chosen = new Set(draft.tasks.map((id) => project.task(id).id));
  const tasks = project.materials.tasks.filter(({ id }) => chosen.has(id));
  if (tasks.length === 0) throw noTasks();
  return recipeSchema.parse({
    schema: 1,
    name: draft.name,
    seed: draft.seed,
    base,
    tasks: tasks.map(({ id, expert, head, data, unlabelled }) => {
      if (head === null) throw incomplete(`task "${id}" has no head`, 'choose its head');
      if (data === null) throw incomplete(`task "${id}" has no image set`, 'choose its image set');
      return { id, expert, head, data, ...(unlabelled === undefined ? {} : { unlabelled }) };
    }),
    methods: draft.methods,
    adaptation: { ...draft.adaptation, mixed: draft.mixed.adaptation },
    evaluation: { mixed: draft.mixed.evaluation },
    ...protocolOf(draft, chosen),
    engine: draft.engine,
    ...(draft.monitor === null ? {} : { monitor: draft.monitor }),
  });
}

/** Of the tasks that take part; what names none of them is left out. Throws `recipe.invalid`. */
function protocolOf(
  { unseen, corruption }: Draft,
  chosen: ReadonlySet<string>,
): Pick<Recipe, 'unseen'> & { corruption?: object } {
  if (corruption !== null) corruptionNamed(corruption.kind);
  const measured = unseen.filter((id) => chosen.has(id));
  const corrupted = corruption?.tasks?.filter((id) => chosen.has(id));
  return {
    ...(measured.length > 0 && { unseen: measured }),
    ...(corruption !== null &&
      corrupted?.length !== 0 && { corruption: { ...corruption, tasks: corrupted } }),
  };
}

function incomplete(what: string, hint: string): AppError {
  return new AppError('project.incomplete', { what, hint: `${hint}, or leave the task out` });
}

export function noTasks(): AppError {
  return new AppError('merge.no_experts', {
    what: 'no task takes part',
    hint: 'choose at least one task, or add an expert in the Project view',
  });
}
