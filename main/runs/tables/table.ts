/** What a table of results is made of. */
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

export interface TableColumn {
  readonly heading: string;
  /** `percent`: a share, shown times 100; `count`: numbers of a model. */
  readonly kind: 'percent' | 'count';
  /** Index in `sources` of a column that holds published numbers. */
  readonly source?: number;
}

export interface TableRow {
  /** What rows have in common that stand together; empty where all do. */
  readonly section: string;
  readonly title: string;
  /** Index in `sources` of a row of published numbers. */
  readonly source?: number;
  /** Null where there is nothing. */
  readonly cells: readonly (number | null)[];
  /** By column, whether it is the best merge of its section. */
  readonly best: readonly boolean[];
  /** By column, whether predictions came to collapse to few classes while the method adapted. */
  readonly collapsed: readonly boolean[];
}

export interface ResultTable {
  readonly title: string;
  readonly columns: readonly TableColumn[];
  readonly rows: readonly TableRow[];
  /** Where published numbers come from, in words. */
  readonly sources: readonly string[];
  readonly notes: readonly string[];
}

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
