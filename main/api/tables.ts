/** Results of finished runs as a table to copy: for reading, for a paper, for a spreadsheet. */
import { z } from 'zod';
import { call, name } from './common.ts';

const format = z.enum(['text', 'markdown', 'latex', 'csv', 'json']);

const place = z.int().min(0).optional();
/** A table of the format `json`. */
const laidOut = z.object({
  title: z.string(),
  columns: z.array(
    z.object({
      heading: z.string(),
      /** `percent`: shares. */
      kind: z.enum(['percent', 'count']),
      /** Index in `sources` of a column of published numbers. */
      source: place,
    }),
  ),
  rows: z.array(
    z.object({
      /** What rows that stand together have in common. */
      section: z.string(),
      title: z.string(),
      /** Index in `sources` of a row of published numbers. */
      source: place,
      cells: z.array(z.number().nullable()),
      /** By column: the best merge of the section, and whether predictions came to collapse to few classes. */
      best: z.array(z.boolean()),
      collapsed: z.array(z.boolean()),
    }),
  ),
  /** Where published numbers come from. */
  sources: z.array(z.string()),
  notes: z.array(z.string()),
});
export type LaidOutTable = z.output<typeof laidOut>;

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
