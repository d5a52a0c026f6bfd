/** From an experiment and a set of models to ordinary recipes. */
import { stringify } from 'yaml';
import { AppError } from '../../lib/errors.ts';
import { methodCatalogue } from '../catalogue.ts';
import { parseRecipe, type Recipe } from '../recipe.ts';
import {
  methodVariants,
  runName,
  runVariants,
  type Experiment,
  type MethodVariant,
  type RunVariant,
} from './experiment.ts';
import { nested, type Setting } from './grid.ts';
import type { ModelSet } from './model-set.ts';

export interface ExperimentRun {
  /** Of the recipe: that of the experiment, and the run's own where there are several. */
  readonly name: string;
  readonly label: string;
  /** Paths are relative to the folder of the models. */
  readonly recipe: Recipe;
}

/** Throws `experiment.unfit` where the models lack what the experiment names, and what `parseRecipe` throws. */
export function expandExperiment(experiment: Experiment, models: ModelSet): ExperimentRun[] {
  const methods = methodVariants(experiment).map((variant) => methodOf(variant, experiment, models));
  const runs = runVariants(experiment).map((variant) => runOf(variant, methods, experiment, models));
  const names = runs.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return runs;
  throw new AppError('recipe.invalid', {
    what: `two runs of the experiment are called "${twice}"`,
    where: experiment.name,
    hint: 'give them names',
  });
}

function methodOf(
  { id, like, parameters }: MethodVariant,
  experiment: Experiment,
  models: ModelSet,
): object {
  const entry = models.methods.find((each) => each.id === like);
  if (entry === undefined) {
    throw unfit(experiment, `a method "${like}"`, models.methods.map((each) => each.id));
  }
  return {
    id,
    method: entry.method ?? entry.id,
    parameters: { ...entry.parameters, ...parameters },
  };
}

function runOf(
  variant: RunVariant,
  methods: readonly object[],
  experiment: Experiment,
  models: ModelSet,
): ExperimentRun {
  const { label } = variant;
  const name = runName(experiment, variant);
  const { tasks: chosen, unseen, ...others } = variant.set;
  const tasks = tasksOf(chosen, experiment, models);
  const hidden = unseen === undefined ? undefined : groupOf(unseen, experiment, models);
  const recipe = merged(models.recipe, nested(others));
  const text = stringify({
    schema: 1,
    name,
    base: models.base,
    tasks: models.tasks.filter(({ id }) => tasks.includes(id)),
    methods,
    ...recipe,
    ...(hidden && { unseen: hidden }),
  });
  return { name, label, recipe: parseRecipe(text, `run "${name}"`, methodCatalogue) };
}

function tasksOf(chosen: Setting | undefined, experiment: Experiment, models: ModelSet): string[] {
  const all = models.tasks.map(({ id }) => id);
  if (chosen === undefined) return all;
  if (typeof chosen !== 'number') return groupOf(chosen, experiment, models);
  if (chosen <= all.length) return all.slice(0, chosen);
  throw unfit(experiment, `${chosen} tasks`, all);
}

function groupOf(chosen: Setting, experiment: Experiment, models: ModelSet): string[] {
  const ids = Array.isArray(chosen) ? chosen.map(String) : models.groups[String(chosen)];
  if (ids === undefined) {
    throw unfit(experiment, `a group of tasks "${String(chosen)}"`, Object.keys(models.groups));
  }
  const known = models.tasks.map(({ id }) => id);
  const missing = ids.find((id) => !known.includes(id));
  if (missing === undefined) return ids;
  throw unfit(experiment, `a task "${missing}"`, known);
}

function unfit({ name }: Experiment, needs: string, has: readonly string[]): AppError {
  return new AppError('experiment.unfit', {
    what: `the experiment "${name}" needs ${needs}, and the models have none`,
    hint: `they have ${has.join(', ') || 'nothing of the kind'}; add it to the file of models, or choose other models`,
  });
}

/** `over` on top of `under`, groups of keys joined. */
function merged(
  under: Readonly<Record<string, unknown>>,
  over: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const result: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const former = result[key];
    result[key] = isGroup(former) && isGroup(value) ? merged(former, value) : value;
  }
  return result;
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
