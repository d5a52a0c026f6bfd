/** Saving what is shown, all layers of it. */
import { saveFile } from '../../lib/save.ts';
import type { Figure } from './figure.ts';
import { toPng } from './png.ts';
import { toSvg } from './svg.ts';

export const formats = [
  { id: 'png', title: 'PNG', text: 'All layers as a picture' },
  { id: 'svg', title: 'SVG', text: 'All layers as a drawing, for papers' },
  { id: 'csv', title: 'CSV', text: 'All numbers, one a line' },
] as const;
export type Format = (typeof formats)[number]['id'];

/** Asks where to save, saves, and says so. */
export async function save(
  format: Format,
  name: readonly string[],
  { figure, csv }: { figure: () => Figure; csv: () => string },
): Promise<void> {
  const content = format === 'png' ? toPng(figure()) : format === 'svg' ? toSvg(figure()) : csv();
  await saveFile(name, format, content);
}
