/** What a table of results is made of. */
import type { LaidOutTable } from '../../api/tables.ts';
import type { Settings } from '../experiments/grid.ts';
import type { Recipe } from '../recipe.ts';
import type { MethodReport, Report } from '../report.ts';
import type { PublishedRow } from './published.ts';

/** A run that is done. */
export interface TableRun {
  readonly id: string;
  readonly recipe: Recipe;
  readonly report: Report;
}

/** Shown by the window too. */
export type ResultTable = LaidOutTable;
export type TableColumn = LaidOutTable['columns'][number];
export type TableRow = LaidOutTable['rows'][number];

/** A method of a run, with what an experiment says about the two. */
export interface Measured {
  readonly run: TableRun;
  readonly report: MethodReport;
  readonly title: string;
  /** Its entry in the experiment, or its id. */
  readonly origin: string;
  /** What distinguishes the run from others of the table, in words. */
  readonly label: string;
  /** Keys of the recipe, and `parameters.…` of the method. */
  readonly at: Settings;
}

/** For every column the rows of merges whose value is the largest of the section, where there are several. */
export function markBest(
  rows: readonly Omit<TableRow, 'best'>[],
  columns: readonly TableColumn[],
  rivals: ReadonlySet<object>,
): TableRow[] {
  return rows.map((row) => ({
    ...row,
    best: columns.map(({ kind, source }, column) => {
      if (kind !== 'percent' || source !== undefined || !rivals.has(row)) return false;
      const here = rows.filter((other) => rivals.has(other) && other.section === row.section);
      const values = here.flatMap(({ cells }) => cells[column] ?? []);
      return values.length > 1 && row.cells[column] === Math.max(...values);
    }),
  }));
}

/** Published numbers are percentages, with three decimals at most. */
export const shareOf = (percent: number | null | undefined): number | null =>
  percent === null || percent === undefined ? null : Math.round(1000 * percent) / 1e5;

/** Whether a published row was measured where a method was. */
export function agrees(at: PublishedRow['at'], { at: here }: Pick<Measured, 'at'>): boolean {
  return Object.entries(at).every(([key, value]) => (here[key] ?? 'none') === value);
}
