/** What a run began with, and the refusal to go on with anything else. */
import { createHash } from 'node:crypto';
import type { Engine } from '../engine/engine.ts';
import { AppError } from '../lib/errors.ts';
import type { RunEvent } from './events.ts';
import type { RunInputs } from './inputs.ts';
import { recipeHash, type Recipe } from './recipe.ts';
import type { RunFolder } from './run-folder.ts';

export type RunStart = Extract<RunEvent, { type: 'run.started' }>;

/** An engine as the log of a run names it; what everything is kept in unless a recipe says otherwise goes unsaid. */
export function engineText({ description }: Engine): string {
  const { title, device, threads, adapter, precision } = description;
  const card = adapter === undefined ? '' : ` on ${adapter.name} (driver ${adapter.driver})`;
  return `${title}${card}, ${device}, threads: ${String(threads)}${precision === 'fp32' ? '' : `, ${precision}`}`;
}

export function describeStart(
  recipe: Recipe,
  { fingerprints }: RunInputs,
  engine: Engine,
): RunStart {
  const inputs = JSON.stringify([...fingerprints].sort());
  return {
    type: 'run.started',
    schema: 1,
    recipe: recipeHash(recipe),
    engine: engineText(engine),
    inputs: createHash('sha256').update(inputs).digest('hex'),
    tasks: recipe.tasks.map(({ id }) => id),
    methods: recipe.methods.map(({ id }) => id),
  };
}

/**
 * A run that goes on with another recipe, other files or another engine would end with results that
 * belong to neither. Throws `run.changed`.
 */
export function refuseOtherStart(run: RunFolder, before: RunStart, now: RunStart): void {
  const changed = (what: string, hint: string) =>
    new AppError('run.changed', { what, where: run.folder, hint });
  if (before.recipe !== now.recipe) {
    throw changed(
      'the recipe was changed after the run had begun',
      'run the changed recipe as a new run',
    );
  }
  if (before.inputs !== now.inputs) {
    throw changed(
      'a checkpoint, head or image set was changed after the run had begun',
      'restore the files, or run the recipe as a new run',
    );
  }
  if (before.engine !== now.engine) {
    throw changed(
      `the run began on "${before.engine}" and would go on with "${now.engine}"`,
      'name that engine and its threads in the recipe of a new run',
    );
  }
}
