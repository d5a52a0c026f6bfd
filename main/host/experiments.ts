/** Handlers of the bundled experiments. */
import {
  experiments,
  methodVariants,
  requireExperiment,
  runVariants,
} from '../runs/experiments/experiment.ts';
import { expandExperiment } from '../runs/experiments/expand.ts';
import { formerRuns } from '../runs/experiments/finished.ts';
import { projectModels } from '../runs/experiments/model-set.ts';
import { formatRecipe } from '../runs/recipe.ts';
import { implementer } from './implementer.ts';

const on = implementer.experiments;

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
    const { project } = session;
    const models = projectModels(project.materials, project.folder);
    const runs = expandExperiment(requireExperiment(input.experiment), models);
    const former = await formerRuns(project.folder, runs, project.folder);
    return {
      models: models.title,
      runs: runs.map(({ name, recipe }, index) => {
        const found = former[index];
        return {
          name,
          tasks: recipe.tasks.map(({ id }) => id),
          recipe: formatRecipe(recipe),
          finished: found?.status === 'done' ? found.run.id : null,
        };
      }),
    };
  }),
};
