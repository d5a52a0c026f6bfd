/** The export in progress. */
import type { ExportChoice } from '../../../main/api/exports.ts';
import { compute } from '../../lib/connection.ts';
import { Work } from '../../lib/work.svelte.ts';

export interface ExportRequest {
  readonly run: string;
  readonly runTitle: string;
  readonly method: string;
  readonly methodTitle: string;
  readonly choice: ExportChoice;
  readonly target: { readonly handle: string; readonly title: string } | null;
}

export const exporting = new Work({
  view: 'export',
  begin: ({ run, method, choice, target }: ExportRequest, options) => {
    const { format, mode } = choice;
    const place = target === null ? {} : { target: target.handle };
    return compute.exports.start({ run, method, format, mode, ...place }, options);
  },
  done: ({ methodTitle }) => `${methodTitle} was exported and verified`,
});

export type ExportState = typeof exporting.state;
