/** Writing what is shown: the bytes of each format, and the way to the shell's dialog. */
import { shell } from '../../lib/connection.ts';
import { toasts } from '../../lib/toasts.svelte.ts';
import type { Figure } from './figure.ts';
import { toPng } from './png.ts';
import { toSvg } from './svg.ts';

export type Format = 'png' | 'svg' | 'csv';

/** Bytes as base64, in pieces that fit into one call's arguments. */
export function toBase64(bytes: Uint8Array): string {
  const piece = 0x80_00;
  let text = '';
  for (let at = 0; at < bytes.length; at += piece) {
    text += String.fromCharCode(...bytes.subarray(at, at + piece));
  }
  return btoa(text);
}

/** A name for the file that the shell's contract takes. */
export function fileName(parts: readonly string[], format: Format): string {
  const words = parts
    .join(' ')
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9 _.-]+/g, '')
    .replace(/^[^A-Za-z0-9]+/, '')
    .replace(/ +/g, ' ')
    .slice(0, 90)
    .trim();
  return `${words === '' ? 'routing' : words}.${format}`;
}

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
