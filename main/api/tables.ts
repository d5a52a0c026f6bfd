/** Results of finished runs as a table to copy: for reading, for a paper, for a spreadsheet. */
import { z } from 'zod';
import { call, name } from './common.ts';

const format = z.enum(['text', 'markdown', 'latex', 'csv', 'json']);

/** A table of the format `json`. */
export interface LaidOutTable {
  readonly title: string;
  readonly columns: readonly {
    readonly heading: string;
    /** `percent`: shares. */
    readonly kind: 'percent' | 'count';
    /** Index in `sources` of a column of published numbers. */
    readonly source?: number;
  }[];
  readonly rows: readonly {
    /** What rows that stand together have in common. */
    readonly section: string;
    readonly title: string;
    /** Index in `sources` of a row of published numbers. */
    readonly source?: number;
    readonly cells: readonly (number | null)[];
    /** By column: the best merge of the section, and whether predictions came to collapse to few classes. */
    readonly best: readonly boolean[];
    readonly collapsed: readonly boolean[];
  }[];
  /** Where published numbers come from. */
  readonly sources: readonly string[];
  readonly notes: readonly string[];
}

export const tablesContract = {
  /**
   * The table of these runs; as an experiment lays it out and beside published numbers where they are runs of one.
   * Throws run.unfinished.
   */
  make: call
    .input(
      z.strictObject({
        runs: z.array(name).min(1).max(200),
        /** Of experiments.list; null for none. Left out, the one all runs belong to by their names, if there is one. */
        experiment: name.nullable().optional(),
        format,
      }),
    )
    .output(
      z.strictObject({
        text: z.string(),
        /** The experiment that laid it out. */
        experiment: name.nullable(),
      }),
    ),
};
