/** A figure as the bytes of a PNG file. */
import type { Figure } from './figure.ts';
import { paintFigure } from './paint.ts';

/** The bytes of the file, sharp enough for print unless the figure is so large that a canvas has a limit. */
export async function toPng(figure: Figure): Promise<Uint8Array> {
  const largest = 12_000;
  const scale = Math.min(2, largest / Math.max(figure.width, figure.height));
  const canvas = new OffscreenCanvas(
    Math.round(figure.width * scale),
    Math.round(figure.height * scale),
  );
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('no 2d context');
  paintFigure(context, figure, scale);
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  return new Uint8Array(await blob.arrayBuffer());
}
