/** Handlers of tables to copy. */
import { requireExperiment } from '../runs/experiments/experiment.ts';
import { formatTable } from '../runs/tables/formats.ts';
import { readTableRun } from '../runs/tables/read.ts';
import { experimentOf, makeTable } from '../runs/tables/result-table.ts';
import { implementer } from './implementer.ts';
import { runOf } from './run-cards.ts';

const on = implementer.tables;

export const tablesHandlers = {
  make: on.make.handler(async ({ input, context: { session } }) => {
    const { folder } = session.project;
    const runs = await Promise.all(
      input.runs.map(async (id) => readTableRun(await runOf(folder, id))),
    );
    const { experiment: named } = input;
    const experiment =
      named === undefined
        ? experimentOf(runs)
        : named === null
          ? undefined
          : requireExperiment(named);
    return {
      text: formatTable(makeTable(runs, experiment), input.format),
      experiment: experiment?.name ?? null,
    };
  }),
};
