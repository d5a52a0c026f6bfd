/** A column for each value of what an experiment varies, and a row for each method: cells are averages over tasks. */
import type { Layout } from '../experiments/experiment.ts';
import type { PublishedTable } from './published.ts';
import { competes } from '../report.ts';
import {
  agrees,
  markBest,
  shareOf,
  type Measured,
  type ResultTable,
  type TableRow,
} from './table.ts';

type Value = string | number;

const parameterPrefix = 'parameters.';

interface Placed {
  readonly measured: Measured;
  /** Undefined where the run says nothing of it: a run without any corruption, among severities. */
  readonly column: Value | undefined;
  readonly section: string;
}

const measures: Readonly<Record<Layout['measure'], (measured: Measured) => number | null>> = {
  average: ({ report }) => report.average,
  unseen: ({ report }) => report.unseenAverage ?? null,
  normalized: ({ report }) => report.normalizedAverage,
};

export function pivotTable(
  measured: readonly Measured[],
  sources: readonly PublishedTable[],
  { columns: axis, measure }: Layout,
): Pick<ResultTable, 'columns' | 'rows'> {
  const key = axis === 'task-count' ? 'tasks' : axis;
  const others = varyingKeys(
    measured.filter((each) => columnOf(each, axis, key) !== undefined),
  ).filter((each) => each !== key && !each.startsWith(parameterPrefix));
  const placed = measured.map((each): Placed => ({
    measured: each,
    column: columnOf(each, axis, key),
    section: others.flatMap((other) => words(other, each.at[other])).join(', '),
  }));
  const baseline = placed.filter(({ column }) => column === undefined);
  const axisValues = [...new Set(placed.flatMap(({ column }) => column ?? []))].sort(order);
  // A run of which the axis says nothing stands beside all others; a method, with those of its run.
  const everywhere = !axis.startsWith(parameterPrefix);
  const sections = [
    ...new Set(
      placed.flatMap(({ column, section }) => (everywhere && column === undefined ? [] : section)),
    ),
  ];
  const headings: (Value | undefined)[] = [...(baseline.length > 0 ? [undefined] : []), ...axisValues];
  const columns = headings.map((value) => ({
    heading: value === undefined
        ? everywhere
          ? (baseline[0]?.measured.label ?? '')
          : 'without'
        : headingOf(axis, value),
    kind: 'percent' as const,
  }));
  const rows: Omit<TableRow, 'best'>[] = [];
  const rivals = new Set<object>();
  for (const section of sections) {
    const here = placed.filter(
      (each) => each.section === section || (everywhere && each.column === undefined),
    );
    for (const origin of new Set(here.map((each) => each.measured.origin))) {
      const own = here.filter((each) => each.measured.origin === origin);
      const [first] = own;
      if (first === undefined) continue;
      const cells = headings.map((value) => own.find(({ column }) => column === value)?.measured);
      const row = {
        section,
        title: first.measured.title,
        cells: cells.map((cell) => (cell === undefined ? null : measures[measure](cell))),
        collapsed: cells.map((cell) => (cell?.report.collapses ?? []).length > 0),
      };
      rows.push(row);
      if (competes(first.measured.report)) rivals.add(row);
      if (measure === 'average') rows.push(...publishedRows(row, cells, origin, sources));
    }
  }
  return { columns, rows: markBest(rows, columns, rivals) };
}

/** What was published of the cells of a row. */
function publishedRows(
  { section, title }: Pick<TableRow, 'section' | 'title'>,
  cells: readonly (Measured | undefined)[],
  origin: string,
  sources: readonly PublishedTable[],
): Omit<TableRow, 'best'>[] {
  return sources.flatMap((table, source) => {
    const found = cells.map((cell) =>
      cell === undefined
        ? null
        : shareOf(
            table.rows.find(({ method, at }) => method === origin && agrees(at, cell))?.average,
          ),
    );
    if (found.every((value) => value === null)) return [];
    const row = { section, title: `${title}, ${table.models}`, source, cells: found };
    return [{ ...row, collapsed: found.map(() => false) }];
  });
}

function columnOf({ run, report, at }: Measured, axis: string, key: string): Value | undefined {
  if (axis === 'task-count') return run.report.tasks.length;
  const parameter = axis.startsWith(parameterPrefix) ? axis.slice(parameterPrefix.length) : '';
  const value = at[key] ?? report.parameters?.[parameter];
  return typeof value === 'object' || typeof value === 'boolean' ? String(value) : value;
}

/** Keys of the recipe whose values differ within the table. */
function varyingKeys(measured: readonly Measured[]): string[] {
  const keys = new Set(measured.flatMap(({ at }) => Object.keys(at)));
  return [...keys].filter(
    (key) => new Set(measured.map(({ at }) => JSON.stringify(at[key]))).size > 1,
  );
}

/** Part of a section's name: a text says enough, a number needs its key. */
function words(key: string, value: unknown): string[] {
  if (typeof value === 'string') return [value.replaceAll('_', ' ')];
  return value === undefined ? [] : [`${nameOf(key)} ${JSON.stringify(value)}`];
}

function headingOf(axis: string, value: Value): string {
  if (axis === 'task-count') return `${value} ${value === 1 ? 'task' : 'tasks'}`;
  return `${nameOf(axis)} ${value}`;
}

/** The last part of a path, in words. */
function nameOf(key: string): string {
  return (key.split('.').at(-1) ?? key).replaceAll('_', ' ');
}

function order(a: Value, b: Value): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : 0;
}
