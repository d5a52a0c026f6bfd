/** Handlers of the bundled experiments. */
import {
  experiments,
  methodVariants,
  requireExperiment,
  runVariants,
} from '../runs/experiments/experiment.ts';
import { AppError } from '../lib/errors.ts';
import { expandExperiment } from '../runs/experiments/expand.ts';
import { formerRuns } from '../runs/experiments/finished.ts';
import { refuseMissing } from '../runs/experiments/missing.ts';
import { projectModels } from '../runs/experiments/model-set.ts';
import { formatRecipe, resolveRecipePaths } from '../runs/recipe.ts';
import { engineOf } from '../runs/run-engine.ts';
import { implementer } from './implementer.ts';
import { resumeRun, startRecipe } from './plan.ts';
import type { OpenProject } from './open-project.ts';

const on = implementer.experiments;

/** The runs of an experiment on the models of a project, each with the one that the project has of it. */
async function runsOf(name: string, { materials, folder }: OpenProject) {
  const models = projectModels(materials, folder);
  const runs = expandExperiment(requireExperiment(name), models);
  const former = await formerRuns(folder, runs, models.folder);
  return { models, runs: runs.map((run, index) => ({ run, former: former[index] })) };
}

export const experimentsHandlers = {
  list: on.list.handler(() =>
    experiments.map((experiment) => ({
      name: experiment.name,
      title: experiment.title,
      about: experiment.about,
      runs: runVariants(experiment).length,
      methods: methodVariants(experiment).map(({ id }) => id),
    })),
  ),

  expand: on.expand.handler(async ({ input, context: { session } }) => {
    const { models, runs } = await runsOf(input.experiment, session.project);
    return {
      models: models.title,
      runs: runs.map(({ run: { name, recipe }, former }) => ({
        name,
        tasks: recipe.tasks.map(({ id }) => id),
        recipe: formatRecipe(recipe),
        finished: former?.status === 'done' ? former.run.id : null,
      })),
    };
  }),

  estimate: on.estimate.handler(async ({ input, context: { session } }) => {
    const { project, estimates } = session;
    const { models, runs } = await runsOf(input.experiment, project);
    const left = runs.filter(({ former }) => former?.status !== 'done').map(({ run }) => run);
    refuseMissing(left, models);
    let total = 0;
    let basis = '';
    for (const { recipe } of left) {
      const engine = await engineOf(recipe, models.folder);
      const absolute = resolveRecipePaths(recipe, models.folder);
      const estimate = await estimates.estimate(absolute, project.folder, engine);
      total += estimate.seconds;
      if (basis === '') basis = estimate.basis;
    }
    return { seconds: total, basis };
  }),

  start: on.start.handler(async ({ input, context: { session } }) => {
    const { models, runs } = await runsOf(input.experiment, session.project);
    const found = runs.find(({ run }) => run.name === input.run);
    if (found === undefined) {
      throw new AppError('experiment.unknown', {
        what: `the experiment "${input.experiment}" has no run "${input.run}"`,
        hint: `its runs are ${runs.map(({ run }) => run.name).join(', ')}`,
      });
    }
    const { run, former } = found;
    if (former?.status === 'done') return { run: former.run.id };
    refuseMissing([run], models);
    if (former === undefined) return { run: (await startRecipe(run.recipe, session)).id };
    await resumeRun(former.run, session);
    return { run: former.run.id };
  }),
};
