/** Painting a figure on any canvas: the browser's here, another one in tests. */
import type { Figure } from './figure.ts';

/** What painting needs of a canvas's context. */
interface Context {
  fillStyle: unknown;
  font: string;
  textAlign: string;
  textBaseline: string;
  fillRect(x: number, y: number, width: number, height: number): void;
  fillText(text: string, x: number, y: number): void;
  save(): void;
  restore(): void;
  scale(x: number, y: number): void;
  translate(x: number, y: number): void;
  rotate(angle: number): void;
}

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
