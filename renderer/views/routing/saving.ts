/** Writing what is shown: the bytes of each format, and the way to the shell's dialog. */
import { shell } from '../../lib/connection.ts';
import { toasts } from '../../lib/toasts.svelte.ts';
import { fileName, toBase64, type Format } from './bytes.ts';
import type { Figure } from './figure.ts';
import { toPng } from './png.ts';
import { toSvg } from './svg.ts';

async function bytesOf(
  format: Format,
  { figure, csv }: { figure: () => Figure; csv: () => string },
): Promise<Uint8Array> {
  if (format === 'png') return toPng(figure());
  return new TextEncoder().encode(format === 'svg' ? toSvg(figure()) : csv());
}

/** Asks where to save, saves, and says so. */
export async function save(
  format: Format,
  name: readonly string[],
  content: { figure: () => Figure; csv: () => string },
): Promise<void> {
  try {
    const { saved, title } = await shell.saveFile({
      suggestedName: fileName(name, format),
      kind: format,
      bytes: toBase64(await bytesOf(format, content)),
    });
    if (saved) toasts.show({ kind: 'good', text: `Saved as ${title}` });
  } catch (error) {
    toasts.error(error);
  }
}
