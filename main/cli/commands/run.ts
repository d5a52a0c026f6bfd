import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { storages, type Storage } from '../../engine/engine.ts';
import { engineChoice, engineChoices, type EngineChoice } from '../../engine/registry.ts';
import { CancelledError } from '../../lib/errors.ts';
import { methodCatalogue } from '../../runs/catalogue.ts';
import { loadInputs } from '../../runs/inputs.ts';
import { runJob, type JobOptions } from '../../runs/job.ts';
import { readRecipe, resolveRecipePaths, type Recipe } from '../../runs/recipe.ts';
import { engineOf, engineToGoOn } from '../../runs/run-engine.ts';
import { createRun, openRun, recipeFolder, type RunFolder } from '../../runs/run-folder.ts';
import { defineCommand, type CommandContext, type CommandResult } from '../command.ts';
import { UsageError } from '../failure.ts';
import { presentRun, watchJob } from '../run-view.ts';

export const run = defineCommand({
  name: 'run',
  summary: 'Run a recipe, or go on with a run that was interrupted',
  description:
    'Runs every method of the recipe, evaluates it on every task, and writes report, events, routing weights and export into a new run folder of the project.',
  example: 'mergewright run recipe.yaml --project my-merges',
  positionals: [{ name: 'RECIPE', summary: 'a recipe.yaml, or the folder of a run to continue' }],
  options: {
    project: {
      kind: 'text',
      value: 'DIR',
      summary: 'project folder that gets the run; default: mergewright-project',
    },
    engine: {
      kind: 'text',
      value: 'NAME',
      summary: `engine in place of the recipe's: ${engineChoices.join(', ')}`,
    },
    storage: {
      kind: 'text',
      value: 'TYPE',
      choices: storages,
      summary: 'how frozen weights are kept: fp32, or fp16 in half the memory, rounded',
    },
  },
  async run({ project, engine: named, storage }, [path = ''], context) {
    const choice = {
      ...(named !== undefined && { id: engineChoice(named) }),
      ...(storage !== undefined && { storage }),
    };
    if (existsSync(join(path, 'run.json'))) {
      if (named !== undefined || storage !== undefined) {
        throw new UsageError(
          'a run goes on with the engine it began on; leave --engine and --storage out',
          'run',
        );
      }
      const folder = await openRun(path);
      const recipe = await readRecipe(folder.recipePath, methodCatalogue);
      const engine = await engineToGoOn(folder);
      const watched = watchJob(context.progress, recipe, engine);
      return execute(folder, context, { engine, ...watched });
    }
    return startRun(path, project ?? 'mergewright-project', context, choice);
  },
});

/**
 * Creates a run of the recipe at `recipePath` in a project folder and executes it, on the engine of the recipe but for
 * what `engine` says otherwise, which the recipe of the run then names. Nothing is created
 * when the recipe or anything that it names is wrong.
 */
export async function startRun(
  recipePath: string,
  project: string,
  context: CommandContext,
  engine: { readonly id?: EngineChoice; readonly storage?: Storage } = {},
): Promise<CommandResult> {
  const written = await readRecipe(recipePath, methodCatalogue);
  const recipe: Recipe =
    Object.keys(engine).length === 0
      ? written
      : { ...written, engine: { id: 'auto', ...written.engine, ...engine } };
  const folder = await recipeFolder(recipePath);
  const chosen = await engineOf(recipe, folder);
  const watched = watchJob(context.progress, recipe, chosen);
  const resolved = resolveRecipePaths(recipe, folder);
  const inputs = await loadInputs(resolved, watched.onLoad, context.signal);
  try {
    const run = await createRun(project, recipe, folder);
    return await execute(run, context, { engine: chosen, inputs, ...watched });
  } finally {
    await inputs.close();
  }
}

async function execute(
  run: RunFolder,
  { signal, progress, terminal }: CommandContext,
  options: Omit<JobOptions, 'signal'>,
): Promise<CommandResult> {
  try {
    const report = await runJob(run, { ...options, signal });
    progress.finish();
    return await presentRun(run, report, terminal);
  } catch (error) {
    if (error instanceof CancelledError) {
      progress.abandon();
      progress.log(`Go on with: mergewright run ${run.folder}`);
    }
    throw error;
  }
}
