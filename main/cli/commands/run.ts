import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CancelledError } from '../../lib/errors.ts';
import { methodCatalogue } from '../../runs/catalogue.ts';
import { loadInputs } from '../../runs/inputs.ts';
import { runJob, type JobOptions } from '../../runs/job.ts';
import { readRecipe, resolveRecipePaths } from '../../runs/recipe.ts';
import { engineOf, engineToGoOn } from '../../runs/run-engine.ts';
import { createRun, openRun, recipeFolder, type RunFolder } from '../../runs/run-folder.ts';
import { defineCommand, type CommandContext, type CommandResult } from '../command.ts';
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
  },
  async run({ project }, [path = ''], context) {
    if (existsSync(join(path, 'run.json'))) {
      const folder = await openRun(path);
      const recipe = await readRecipe(folder.recipePath, methodCatalogue);
      const engine = await engineToGoOn(folder);
      const watched = watchJob(context.progress, recipe, engine);
      return execute(folder, context, { engine, ...watched });
    }
    return startRun(path, project ?? 'mergewright-project', context);
  },
});

/**
 * Creates a run of the recipe at `recipePath` in a project folder and executes it. Nothing is created
 * when the recipe or anything that it names is wrong.
 */
export async function startRun(
  recipePath: string,
  project: string,
  context: CommandContext,
): Promise<CommandResult> {
  const recipe = await readRecipe(recipePath, methodCatalogue);
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
