/**
 * Results of runs as a table for people: rows are methods, columns are tasks or the values of what an experiment
 * varies. It says what stands where; formats.ts writes it down.
 */
import { catalogueEntry, methodCatalogue, titleOf } from '../catalogue.ts';
import {
  experiments,
  methodVariants,
  runName,
  runVariants,
  type Experiment,
  type MethodVariant,
  type RunVariant,
} from '../experiments/experiment.ts';
import { adaptationDataTexts } from '../protocol.ts';
import type { Recipe } from '../recipe.ts';
import type { MethodReport } from '../report.ts';
import { pivotTable } from './pivot-table.ts';
import { publishedFor, type PublishedTable } from './published.ts';
import type { Measured, ResultTable, TableRow, TableRun } from './table.ts';
import { taskTable } from './task-table.ts';

/** The bundled experiment that all runs belong to by the names of their recipes and methods; undefined where there is none. */
export function experimentOf(runs: readonly TableRun[]): Experiment | undefined {
  if (runs.length === 0) return undefined;
  return experiments.find((experiment) => {
    const names = runNames(experiment);
    const ids = new Set(methodVariants(experiment).map(({ id }) => id));
    return runs.every(
      ({ recipe }) => names.has(recipe.name) && recipe.methods.every(({ id }) => ids.has(id)),
    );
  });
}

function runNames(experiment: Experiment): Map<string, RunVariant> {
  return new Map(runVariants(experiment).map((each) => [runName(experiment, each), each]));
}

/** The table of `runs`, which are done; as `experiment` lays it out where they are runs of one. */
export function makeTable(runs: readonly TableRun[], experiment?: Experiment): ResultTable {
  const measured = measuredOf(runs, experiment);
  const sources = publishedFor(experiment?.published ?? [], runs[0]?.recipe.base ?? '');
  const title = experiment?.title ?? [...new Set(runs.map(({ recipe }) => recipe.name))].join(', ');
  const layout = experiment?.table ?? { columns: 'tasks', measure: 'average' };
  const table =
    layout.columns === 'tasks'
      ? taskTable(withTitles(measured, ({ report }) => report.id), sources)
      : pivotTable(withTitles(measured, ({ origin }) => origin), sources, layout);
  const used = [...new Set([...table.columns, ...table.rows].flatMap(({ source }) => source ?? []))];
  const place = (source: number | undefined) =>
    source === undefined ? {} : { source: used.indexOf(source) };
  return {
    title,
    columns: table.columns.map((column) => ({ ...column, ...place(column.source) })),
    rows: table.rows.map((row) => ({ ...row, ...place(row.source) })),
    sources: used.flatMap((index) => sourceText(sources[index], measured)),
    notes: [...notesOf(runs, table.rows, experiment), ...(experiment === undefined ? protocolNotes(runs) : [])],
  };
}

function sourceText(table: PublishedTable | undefined, measured: readonly Measured[]): string[] {
  if (table === undefined) return [];
  const { models, paper, arxiv, table: place, rows } = table;
  const notes = rows.flatMap(({ method, note }) => {
    const title = measured.find(({ origin }) => origin === method)?.title;
    return note === undefined || title === undefined ? [] : [`${title}: ${note}`];
  });
  const text = `published for ${models} by ${paper} (arXiv:${arxiv}), ${place}; not measured here`;
  return [[text, ...notes].join('; ')];
}

function measuredOf(runs: readonly TableRun[], experiment: Experiment | undefined): Measured[] {
  const variants = experiment === undefined ? undefined : runNames(experiment);
  const methods = new Map<string, MethodVariant>(
    experiment === undefined ? [] : methodVariants(experiment).map((each) => [each.id, each]),
  );
  return runs.flatMap((run) => {
    const variant = variants?.get(run.recipe.name);
    return run.report.methods.map((report): Measured => {
      const method = methods.get(report.id);
      const varied = Object.entries(method?.varied ?? {}).map(
        ([key, value]) => [`parameters.${key}`, value] as const,
      );
      return {
        run,
        report,
        title: `${method?.title ?? rowTitle(run.recipe, report, method)}${endText(report)}`,
        origin: method?.origin ?? report.id,
        label: labelOf(run, variant?.label ?? (runs.length === 1 ? '' : run.id)),
        at: { ...variant?.set, ...Object.fromEntries(varied) },
      };
    });
  });
}

/** What a run is called among others: its name, and the tasks that its merges have not seen. */
function labelOf(run: TableRun, name: string): string {
  const unseen = unseenOf(run);
  return unseen.length === 0 ? name : `${name} (unseen: ${unseen.join(', ')})`.trimStart();
}

function unseenOf({ report }: TableRun): string[] {
  return report.taskDetails.flatMap(({ id, unseen }) => (unseen === true ? [id] : []));
}

/** The title of the method without what tells the values of one row apart. */
function rowTitle({ methods }: Recipe, report: MethodReport, variant?: MethodVariant): string {
  const entry = methods.find(({ id }) => id === report.id);
  if (entry === undefined || !methodCatalogue.ids.includes(entry.method)) return report.title;
  if (variant === undefined) return report.title;
  // An id that only tells entries apart, such as "ties_0.3", is no part of the title.
  const plain = titleOf({ ...entry, id: entry.method });
  return variant.origin === entry.method || plain !== catalogueEntry(entry.method).method.title
    ? plain
    : `${plain} (${variant.origin})`;
}

/** A result of an adaptation that was ended early does not pass for that of the recipe. */
function endText({ stoppedAt, stoppedBy, keptStep }: MethodReport): string {
  if (stoppedAt === undefined || stoppedBy === 'guard') return '';
  return `, ended by hand (step ${keptStep ?? stoppedAt})`;
}

/** Methods of a run with the same title are told apart by their names. */
function withTitles(
  measured: readonly Measured[],
  nameOf: (measured: Measured) => string,
): Measured[] {
  return measured.map((each) => {
    const same = measured.some(
      (other) =>
        other.run === each.run && other.title === each.title && nameOf(other) !== nameOf(each),
    );
    return same ? { ...each, title: `${each.title} (${nameOf(each)})` } : each;
  });
}

function engineNote({ title, device, threads, precision }: TableRun['report']['engine']): string {
  const kept = precision === 'fp32' ? '' : `, ${precision}`;
  return `${title}, ${device}, threads: ${threads}${kept}`;
}

function notesOf(
  runs: readonly TableRun[],
  rows: readonly TableRow[],
  experiment: Experiment | undefined,
): string[] {
  // Where there are several, their rows are headed by these.
  const unseen = runs.length === 1 ? runs.flatMap(unseenOf) : [];
  const engines = new Set(runs.map(({ report: { engine } }) => engineNote(engine)));
  const seeds = new Set(runs.map(({ report }) => report.seed));
  const data = adaptationDataTexts(
    runs.map(({ recipe }) => recipe),
    `corrupted as ${experiment === undefined ? 'noted below' : 'the row and the column say'}`,
  );
  return [
    `Accuracy in %. Engine: ${[...engines].join('; ')}. Seed ${[...seeds].join(', ')}. Adapted to ${data.join('; ')}.`,
    ...(unseen.length === 0
      ? []
      : [`Unseen, only measured: ${unseen.join(', ')}. No merge had their experts or images.`]),
    ...(rows.some(({ collapsed }) => collapsed.some(Boolean))
      ? ['‡: predictions on a task came to collapse to few of its classes while the method adapted.']
      : []),
  ];
}

/** What the numbers were measured on where it is not clean images in batches of one task; an experiment says so itself. */
function protocolNotes(runs: readonly TableRun[]): string[] {
  return runs.flatMap(({ id, report: { taskDetails, mixed } }) => {
    const corrupted = taskDetails.flatMap(({ id: task, corruption }) =>
      corruption === undefined ? [] : [`${task} (${corruption.kind} ${corruption.severity})`],
    );
    const batches = [mixed?.adaptation && 'adaptation', mixed?.evaluation && 'evaluation'];
    const parts = [
      ...(corrupted.length === 0 ? [] : [`corrupted images: ${corrupted.join(', ')}`]),
      ...(mixed === undefined ? [] : [`batches of mixed tasks: ${batches.filter(Boolean).join(', ')}`]),
    ];
    return parts.length === 0 ? [] : [`${id}: ${parts.join('; ')}.`];
  });
}
