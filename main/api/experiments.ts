/** The bundled experiments: which there are, and the recipes they make of the open project's models. */
import { z } from 'zod';
import { call, count, name } from './common.ts';

const experiment = z.strictObject({
  name,
  title: z.string(),
  about: z.string(),
  runs: count,
  /** Ids of methods in each run. */
  methods: z.array(name),
});

const expandedRun = z.strictObject({
  /** Of its recipe. */
  name: z.string(),
  tasks: z.array(name),
  recipe: z.string(),
  /** A finished run of the open project with the same recipe. */
  finished: name.nullable(),
});

export const experimentsContract = {
  list: call.output(z.array(experiment)),
  /** Throws experiment.unknown_models where the project has other tasks than the bundled models. */
  expand: call
    .input(z.strictObject({ experiment: name }))
    .output(z.strictObject({ models: z.string(), runs: z.array(expandedRun) })),
};
