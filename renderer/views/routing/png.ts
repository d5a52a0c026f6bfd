/** A figure painted on a canvas. */
import type { Figure } from './figure.ts';

type Context = Pick<
  OffscreenCanvasRenderingContext2D,
  | 'fillStyle'
  | 'font'
  | 'textAlign'
  | 'textBaseline'
  | 'fillRect'
  | 'fillText'
  | 'save'
  | 'restore'
  | 'scale'
  | 'translate'
  | 'rotate'
>;

/** Paints the figure at `scale` pixels for each of its units. */
export function paintFigure(context: Context, { shapes }: Figure, scale: number): void {
  context.save();
  context.scale(scale, scale);
  context.textBaseline = 'alphabetic';
  for (const shape of shapes) {
    context.fillStyle = shape.fill;
    if (shape.kind === 'rectangle') {
      context.fillRect(shape.x, shape.y, shape.width, shape.height);
      continue;
    }
    context.save();
    context.font = `${shape.bold ? '700' : '400'} ${shape.size}px Arial, Helvetica, "Liberation Sans", "DejaVu Sans", sans-serif`;
    context.textAlign =
      shape.anchor === 'middle' ? 'center' : shape.anchor === 'end' ? 'right' : 'left';
    context.translate(shape.x, shape.y);
    context.rotate((shape.turn * Math.PI) / 180);
    context.fillText(shape.text, 0, 0);
    context.restore();
  }
  context.restore();
}

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
