/** Giving away what is shown: as a file, by the shell's dialog, or on the clipboard. Both say what came of it. */
import { fileName, toBase64 } from './bytes.ts';
import { shell } from './connection.ts';
import { toasts } from './toasts.svelte.ts';

type Kind = Parameters<typeof shell.saveFile>[0]['kind'];

/** Asks where to save; `name` in parts, without the ending. */
export async function saveFile(
  name: readonly string[],
  kind: Kind,
  content: string | Promise<Uint8Array>,
): Promise<void> {
  try {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : await content;
    const { saved, title } = await shell.saveFile({
      suggestedName: fileName(name, kind),
      kind,
      bytes: toBase64(bytes),
    });
    if (saved) toasts.show({ kind: 'good', text: `Saved as ${title}` });
  } catch (error) {
    toasts.error(error);
  }
}

/** Text of a table with a mark that tells spreadsheets that it is UTF-8. */
export function forSpreadsheets(csv: string): string {
  return `\ufeff${csv}`;
}

/** Copies a text; `what` names it: "The recipe". */
export async function copyText(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toasts.show({ kind: 'good', text: `${what} was copied` });
  } catch (error) {
    toasts.error(error);
  }
}
