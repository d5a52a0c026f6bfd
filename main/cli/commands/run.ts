import { existsSync } from 'node:fs';
import { join } from 'node:path';
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
  },
  async run({ project, engine: named }, [path = ''], context) {
    const choice = named === undefined ? undefined : engineChoice(named);
    if (existsSync(join(path, 'run.json'))) {
      if (choice !== undefined) {
        throw new UsageError(
          'a run goes on with the engine it began on; leave --engine out',
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
 * Creates a run of the recipe at `recipePath` in a project folder and executes it, on the engine of the recipe unless
 * another is given, which the recipe of the run then names. Nothing is created
 * when the recipe or anything that it names is wrong.
 */
export async function startRun(
  recipePath: string,
  project: string,
  context: CommandContext,
  engineId?: EngineChoice,
): Promise<CommandResult> {
  const written = await readRecipe(recipePath, methodCatalogue);
  const recipe: Recipe =
    engineId === undefined ? written : { ...written, engine: { ...written.engine, id: engineId } };
  const folder = await recipeFolder(recipePath);
  const engine = await engineOf(recipe, folder);
  const watched = watchJob(context.progress, recipe, engine);
  const resolved = resolveRecipePaths(recipe, folder);
  const inputs = await loadInputs(resolved, watched.onLoad, context.signal);
  try {
    const run = await createRun(project, recipe, folder);
    return await execute(run, context, { engine, inputs, ...watched });
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
