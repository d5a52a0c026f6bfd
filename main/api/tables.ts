/** Results of finished runs as a table to copy: for reading, for a paper, for a spreadsheet. */
import { z } from 'zod';
import { call, name } from './common.ts';

const format = z.enum(['text', 'markdown', 'latex', 'csv', 'json']);
export type TableFormat = z.output<typeof format>;

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
