import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createEngine } from '../../engine/registry.ts';
import { CancelledError } from '../../lib/errors.ts';
import { methodCatalogue } from '../../runs/catalogue.ts';
import { runJob } from '../../runs/job.ts';
import { readRecipe, type Recipe } from '../../runs/recipe.ts';
import { createRun, openRun, type RunFolder } from '../../runs/run-folder.ts';
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
      return executeRun(folder, recipe, context);
    }
    return startRun(path, project ?? 'mergewright-project', context);
  },
});

/** Creates a run of the recipe at `recipePath` in a project folder and executes it. */
export async function startRun(
  recipePath: string,
  project: string,
  context: CommandContext,
): Promise<CommandResult> {
  const recipe = await readRecipe(recipePath, methodCatalogue);
  const folder = await createRun(project, recipe, dirname(resolve(recipePath)));
  return executeRun(folder, recipe, context);
}

async function executeRun(
  folder: RunFolder,
  recipe: Recipe,
  { signal, progress, terminal }: CommandContext,
): Promise<CommandResult> {
  const { id = 'auto', threads } = recipe.engine ?? {};
  const engine = await createEngine(id, threads === undefined ? {} : { threads });
  try {
    const watched = watchJob(progress, recipe, engine);
    const report = await runJob(folder, { engine, signal, ...watched });
    progress.finish();
    return await presentRun(folder, report, terminal);
  } catch (error) {
    if (error instanceof CancelledError) {
      progress.abandon();
      progress.log(`Go on with: mergewright run ${folder.folder}`);
    }
    throw error;
  }
}
