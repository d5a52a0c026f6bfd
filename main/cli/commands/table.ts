import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../lib/errors.ts';
import { readExperiment, runName, runVariants } from '../../runs/experiments/experiment.ts';
import { listRuns, openRun } from '../../runs/run-folder.ts';
import { formatTable, tableFormats } from '../../runs/tables/formats.ts';
import { readTableRun } from '../../runs/tables/read.ts';
import { experimentOf, makeTable } from '../../runs/tables/result-table.ts';
import type { TableRun } from '../../runs/tables/table.ts';
import { defineCommand } from '../command.ts';

export const table = defineCommand({
  name: 'table',
  summary: 'Make a table of finished runs, for reading, a paper or a spreadsheet',
  description:
    'Rows are methods, columns are tasks, averages and sizes. Runs of an experiment are laid out as it says, next to the numbers that papers published, which are marked as such with their source.',
  example: 'mergewright table experiments --experiment unseen --format latex',
  positionals: [
    {
      name: 'RUN',
      summary: 'folders of runs, or a project: all its runs that are done',
      repeated: true,
    },
  ],
  options: {
    experiment: {
      kind: 'text',
      value: 'NAME|FILE',
      summary: 'takes its runs alone; default: that of the runs, if all belong to one',
    },
    format: {
      kind: 'text',
      value: 'FORMAT',
      choices: tableFormats,
      summary: 'default text; latex needs booktabs; csv has shares with all digits',
    },
  },
  async run({ experiment: named, format = 'text' }, paths) {
    const all = (await Promise.all(paths.map(runsAt))).flat();
    const chosen = named === undefined ? experimentOf(all) : await readExperiment(named);
    const names = chosen && runVariants(chosen).map((variant) => runName(chosen, variant));
    const runs = names === undefined ? all : inOrder(latest(all), names);
    if (runs.length === 0) {
      throw new AppError('run.not_found', {
        what: `there is no finished run${chosen === undefined ? '' : ` of the experiment "${chosen.name}"`}`,
        where: paths.join(', '),
        hint: 'run a recipe or an experiment first',
      });
    }
    const made = makeTable(runs, chosen);
    return { text: formatTable(made, format), json: made };
  },
});

async function runsAt(path: string): Promise<TableRun[]> {
  if (existsSync(join(path, 'run.json')) || !existsSync(join(path, 'runs'))) {
    return [await readTableRun(await openRun(path))];
  }
  const done = (await listRuns(path)).filter(({ status }) => status === 'done');
  return Promise.all(done.map(({ run }) => readTableRun(run)));
}

/** Of runs with the same name the last. */
function latest(runs: readonly TableRun[]): TableRun[] {
  return [...new Map(runs.map((run) => [run.recipe.name, run])).values()];
}

/** In the order of `names`; others are left out. */
function inOrder(runs: readonly TableRun[], names: readonly string[]): TableRun[] {
  return names.flatMap((name) => runs.find(({ recipe }) => recipe.name === name) ?? []);
}
