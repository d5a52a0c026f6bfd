/** Tables of runs as text, to copy and to save. */
import { compute } from '../../lib/connection.ts';
import { copyText, forSpreadsheets, saveFile } from '../../lib/save.ts';
import { toasts } from '../../lib/toasts.svelte.ts';

const kinds = [
  { format: 'markdown', title: 'Markdown', ending: 'md', use: 'for notes and issues' },
  { format: 'latex', title: 'LaTeX', ending: 'tex', use: 'for papers, with booktabs' },
  { format: 'csv', title: 'CSV', ending: 'csv', use: 'for spreadsheets, all digits' },
] as const;

export const tableActions = (['Copy', 'Save'] as const).flatMap((verb) =>
  kinds.map(({ format, title, use }) => ({
    id: `${verb} ${format}` as const,
    title: `${verb} ${title}`,
    text: use,
  })),
);
export type TableAction = (typeof tableActions)[number]['id'];

/** Has the table of these runs made and gives it away; `experiment` as the contract's. */
export async function giveTable(
  action: TableAction,
  runs: readonly string[],
  experiment?: string,
): Promise<void> {
  const kind = kinds.find(({ format }) => action.endsWith(format));
  if (kind === undefined) return;
  const { format, title, ending } = kind;
  try {
    const made = await compute.tables.make({
      runs: [...runs],
      format,
      ...(experiment === undefined ? {} : { experiment }),
    });
    if (action.startsWith('Copy')) {
      await copyText(made.text, `The table as ${title}`);
      return;
    }
    const name = [made.experiment ?? runs[0] ?? '', 'table'];
    await saveFile(name, ending, format === 'csv' ? forSpreadsheets(made.text) : made.text);
  } catch (error) {
    toasts.error(error);
  }
}
