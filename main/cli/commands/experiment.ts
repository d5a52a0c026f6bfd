import { CancelledError } from '../../lib/errors.ts';
import { carryOut } from '../../runs/experiments/carry-out.ts';
import {
  experiments,
  methodVariants,
  readExperiment,
  runVariants,
  type Experiment,
} from '../../runs/experiments/experiment.ts';
import { expandExperiment, type ExperimentRun } from '../../runs/experiments/expand.ts';
import { formerRuns } from '../../runs/experiments/finished.ts';
import { refuseMissing } from '../../runs/experiments/missing.ts';
import { modelSetNames, readModelSet } from '../../runs/experiments/model-set.ts';
import { formatTable } from '../../runs/tables/formats.ts';
import { readTableRun } from '../../runs/tables/read.ts';
import { makeTable } from '../../runs/tables/result-table.ts';
import { demoFolder } from '../assets.ts';
import { defineCommand, type CommandResult } from '../command.ts';
import { UsageError } from '../failure.ts';
import { renderRows } from '../rows.ts';
import { watchJob } from '../run-view.ts';

export const experiment = defineCommand({
  name: 'experiment',
  summary: 'Run a whole experiment: the set-ups of a paper, one recipe after another',
  description:
    'Without EXPERIMENT, lists those that come with the program. An experiment expands to ordinary recipes, each of which becomes a run of the project; runs that the project has already are not run again, and one that was interrupted goes on. ' +
    `Models are ${modelSetNames.join(', ')}, or a file that names base, experts, heads and images; what is missing of them is said before anything starts.`,
  example: 'mergewright experiment unseen --project experiments',
  positionals: [
    {
      name: 'EXPERIMENT',
      summary: 'the name of a bundled experiment, or a .yaml or .json file',
      optional: true,
    },
  ],
  options: {
    models: { kind: 'text', value: 'NAME|FILE', summary: 'the models; default: demo' },
    data: {
      kind: 'text',
      value: 'DIR',
      summary: 'folder with the images of each task, for the CLIP collections; default: .',
    },
    project: {
      kind: 'text',
      value: 'DIR',
      summary: 'project folder that gets the runs; default: mergewright-project',
    },
    only: { kind: 'text', value: 'NAME,…', summary: 'some runs alone, by name' },
    plan: { kind: 'flag', summary: 'say which runs there would be, and start nothing' },
  },
  async run(
    { models: named = 'demo', data, project = 'mergewright-project', only, plan },
    [name],
    context,
  ) {
    if (name === undefined) return list();
    const chosen = await readExperiment(name);
    const models = await readModelSet(named, { demo: demoFolder(), data });
    const runs = selected(expandExperiment(chosen, models), only);
    if (plan) return planned(chosen, runs, project, models.folder);
    refuseMissing(runs, models);
    const { progress, signal } = context;
    progress.log(`${chosen.title}: ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}`);
    try {
      const folders = await carryOut(runs, {
        project,
        models,
        signal,
        onRun: (run, index, done) => {
          progress.finish();
          progress.log(`[${index + 1}/${runs.length}] ${run.name}${done ? ': done before' : ''}`);
        },
        watch: (recipe, engine) => watchJob(progress, recipe, engine),
      });
      progress.finish();
      const table = makeTable(await Promise.all(folders.map(readTableRun)), chosen);
      const rows = folders.map(({ folder }, index) => [runs[index]?.name ?? '', folder] as const);
      return {
        text: [formatTable(table, 'text'), renderRows(rows)].join('\n\n'),
        json: { experiment: chosen.name, runs: folders.map(({ folder }) => folder), table },
      };
    } catch (error) {
      if (error instanceof CancelledError) {
        progress.abandon();
        progress.log('Give the same command again to go on.');
      }
      throw error;
    }
  },
});

function list(): CommandResult {
  const rows = experiments.map((each) => ({
    name: each.name,
    title: each.title,
    about: each.about,
    runs: runVariants(each).length,
    methods: methodVariants(each).length,
  }));
  return {
    text: renderRows(
      rows.map(({ name, title, runs, methods }) => [
        name,
        `${title} (${runs} ${runs === 1 ? 'run' : 'runs'} of ${methods} methods)`,
      ]),
    ),
    json: rows,
  };
}

async function planned(
  { title }: Experiment,
  runs: readonly ExperimentRun[],
  project: string,
  folder: string,
): Promise<CommandResult> {
  const former = await formerRuns(project, runs, folder);
  const rows = runs.map(({ name, recipe }, index) => ({
    name,
    tasks: recipe.tasks.map(({ id }) => id),
    methods: recipe.methods.map(({ id }) => id),
    run: former[index]?.run.folder ?? null,
    status: former[index]?.status ?? null,
  }));
  const lines = rows.map(
    ({ name, tasks, methods, status }) =>
      [
        name,
        `${tasks.length} tasks, ${methods.length} methods${status === null ? '' : `: ${status}`}`,
      ] as const,
  );
  return { text: `${title}\n\n${renderRows(lines)}`, json: rows };
}

/** By the names of their recipes, or what is left of these without that of the experiment. */
function selected(
  runs: readonly ExperimentRun[],
  only: string | undefined,
): readonly ExperimentRun[] {
  if (only === undefined) return runs;
  const names = only.split(',').map((each) => each.trim());
  const found = (name: string) => runs.find((run) => run.name === name || run.label === name);
  const unknown = names.find((name) => found(name) === undefined);
  if (unknown !== undefined) {
    const known = runs.map((run) => run.label || run.name).join(', ');
    throw new UsageError(`--only: there is no run "${unknown}"; there are ${known}`, 'experiment');
  }
  return runs.filter((run) => names.includes(run.name) || names.includes(run.label));
}
