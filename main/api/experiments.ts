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
export type ExperimentCard = z.output<typeof experiment>;

const expandedRun = z.strictObject({
  /** Of its recipe. */
  name: z.string(),
  tasks: z.array(name),
  recipe: z.string(),
  /** A finished run of the open project with the same recipe. */
  finished: name.nullable(),
});

const expanded = z.strictObject({ models: z.string(), runs: z.array(expandedRun) });
export type ExpandedExperiment = z.output<typeof expanded>;

export const experimentsContract = {
  list: call.output(z.array(experiment)),
  /** Throws experiment.unknown_models where the project has other tasks than the bundled models. */
  expand: call.input(z.strictObject({ experiment: name })).output(expanded),
  /** How long the runs that are not finished would take; takes a moment where a batch is timed. */
  estimate: call
    .input(z.strictObject({ experiment: name }))
    .output(z.strictObject({ seconds: z.number().min(0), basis: z.string() })),
  /**
   * Starts a run of it, or goes on with the one that was begun; one that is finished is left as it is. Throws
   * experiment.incomplete and run.busy.
   */
  start: call
    .input(
      z.strictObject({
        experiment: name,
        /** Of its recipe. */
        run: name,
      }),
    )
    .output(z.strictObject({ run: name })),
};
