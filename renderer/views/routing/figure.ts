/**
 * What is shown, as a figure for a paper or a slide: rectangles and texts that the writers of SVG and PNG both draw,
 * so that the two files are the same picture. Always on white, as documents are.
 */
import { css, diverging, textOn, type DivergingScale } from '../../lib/colours.ts';
import { decimal } from '../../lib/format.ts';
import type { Axes } from './difference.ts';
import type { Lambda } from './frames.ts';
import { ticks } from './scale.ts';

export interface Rectangle {
  readonly kind: 'rectangle';
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly fill: string;
}

export interface Text {
  readonly kind: 'text';
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly size: number;
  readonly fill: string;
  readonly anchor: 'start' | 'middle' | 'end';
  readonly bold: boolean;
  /** Degrees, clockwise, around (x, y). */
  readonly turn: number;
}

export interface Figure {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly description: string;
  readonly shapes: readonly (Rectangle | Text)[];
}

/** The layers of one source, or a difference. */
export interface Block {
  readonly title: string;
  readonly axes: Axes;
  readonly lambda: Lambda;
}

interface Look {
  readonly title: string;
  readonly subtitle: string;
  readonly blocks: readonly Block[];
  readonly scale: DivergingScale;
  /** "λ₀", or what the middle of the scale stands for. */
  readonly centreName: string;
  readonly scaleName: string;
  readonly taskTitle: (task: string) => string;
}

const ink = '#171b22';
const quiet = '#4b5462';
const margin = 28;
const labelSize = 11;
/** Widest label before it is cut, in characters. */
const longest = 20;

/** Width of a text in Arial, as near as a picture needs it. */
function widthOf(text: string, size: number): number {
  return text.length * size * 0.56;
}

function cut(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}

function rectangle(x: number, y: number, width: number, height: number, fill: string): Rectangle {
  return { kind: 'rectangle', x, y, width, height, fill };
}

function text(x: number, y: number, words: string, more: Partial<Text> = {}): Text {
  return {
    kind: 'text',
    x,
    y,
    text: words,
    size: labelSize,
    fill: ink,
    anchor: 'start',
    bold: false,
    turn: 0,
    ...more,
  };
}

/** Side of a cell: numbers fit into the large ones. */
function cellSide({ tasks, experts }: Axes): number {
  const most = Math.max(tasks.length, experts.length);
  return most <= 10 ? 36 : most <= 14 ? 22 : 15;
}

/** Columns of panels: about as wide as a page in landscape. */
function panelColumns(layers: number, panelWidth: number): number {
  const fitting = Math.max(1, Math.floor(1500 / panelWidth));
  const rows = Math.ceil(layers / Math.min(fitting, layers));
  return Math.ceil(layers / rows);
}

function panel(look: Look, block: Block, layer: number, x: number, y: number, side: number) {
  const shapes: (Rectangle | Text)[] = [text(x, y - 7, `Layer ${layer}`, { bold: true, size: 12 })];
  block.lambda[layer]?.forEach((row, t) =>
    row.forEach((value, k) => {
      const colour = diverging(value, look.scale, false);
      const [left, top] = [x + k * side, y + t * side];
      shapes.push(rectangle(left, top, side - 1, side - 1, css(colour)));
      if (side < 30) return;
      const [middle, base] = [left + (side - 1) / 2, top + side / 2 + 3.5];
      const words = decimal(value);
      shapes.push(text(middle, base, words, { size: 10, anchor: 'middle', fill: textOn(colour) }));
    }),
  );
  return shapes;
}

interface Placed {
  readonly shapes: readonly (Rectangle | Text)[];
  readonly width: number;
  readonly bottom: number;
}

/** All layers of a block from `top` down. */
function placeBlock(look: Look, block: Block, top: number, heading: boolean): Placed {
  const { axes } = block;
  const side = cellSide(axes);
  const rowNames = axes.tasks.map((task) => cut(look.taskTitle(task)));
  const columnNames = axes.experts.map((expert) => cut(look.taskTitle(expert)));
  const left = margin + 18 + Math.max(...rowNames.map((name) => widthOf(name, labelSize)), 0) + 8;
  // Slanted names of narrow columns would touch each other.
  const turn = side < 20 ? -90 : -45;
  const below =
    Math.max(...columnNames.map((name) => widthOf(name, labelSize)), 0) *
      (turn === -90 ? 1 : 0.71) +
    16;
  const [width, height] = [axes.experts.length * side, axes.tasks.length * side];
  const columns = panelColumns(axes.layers, width + 24);
  const rows = Math.ceil(axes.layers / columns);
  const start = top + (heading ? 54 : 26);
  const shapes: (Rectangle | Text)[] = heading
    ? [text(margin, top + 16, block.title, { bold: true, size: 14 })]
    : [];
  for (let layer = 0; layer < axes.layers; layer++) {
    const column = layer % columns;
    const row = Math.floor(layer / columns);
    const x = left + column * (width + 24);
    const y = start + row * (height + 34);
    shapes.push(...panel(look, block, layer, x, y, side));
    if (column === 0) {
      rowNames.forEach((name, t) =>
        shapes.push(text(left - 7, y + t * side + side / 2 + 3.5, name, { anchor: 'end' })),
      );
    }
    // Under the last panel of each column, where nothing stands below.
    if (layer + columns >= axes.layers) {
      columnNames.forEach((name, k) =>
        shapes.push(
          text(x + k * side + side / 2 + 3, y + height + 10, name, { anchor: 'end', turn }),
        ),
      );
    }
  }
  const bottom = start + rows * height + (rows - 1) * 34;
  const right = left + columns * width + (columns - 1) * 24;
  shapes.push(
    text(margin + 6, (start + bottom) / 2, 'source task of the images', {
      anchor: 'middle',
      turn: -90,
      fill: quiet,
    }),
    text((left + right) / 2, bottom + below + 12, 'expert', { anchor: 'middle', fill: quiet }),
  );
  return { shapes, width: right + margin, bottom: bottom + below + 22 };
}

function legend(look: Look, top: number): (Rectangle | Text)[] {
  const [width, height, parts] = [300, 14, 75];
  const { centre, extent } = look.scale;
  const colour = (part: number): string =>
    css(diverging(centre + (2 * part - 1) * extent, look.scale, false));
  const bars = Array.from({ length: parts }, (_, index) =>
    // Overlapping by a little: no seams between the bars at any zoom.
    rectangle(
      margin + (index * width) / parts,
      top,
      width / parts + (index < parts - 1 ? 0.5 : 0),
      height,
      colour((index + 0.5) / parts),
    ),
  );
  const labels = ticks(look.scale).flatMap((value, index, all) => {
    const x = margin + (index / (all.length - 1)) * width;
    const middle = index === (all.length - 1) / 2;
    const words = middle ? `${look.centreName} = ${decimal(value)}` : decimal(value);
    return [
      rectangle(x - 0.5, top + (middle ? -4 : height), 1, middle ? height + 9 : 4, ink),
      text(x, top + height + 17, words, { anchor: 'middle', bold: middle }),
    ];
  });
  return [...bars, ...labels, text(margin + width + 28, top + 11, look.scaleName, { fill: quiet })];
}

/** Lays the figure out. */
export function layOut(look: Look): Figure {
  const shapes: (Rectangle | Text)[] = [
    text(margin, margin + 14, look.title, { size: 18, bold: true }),
    text(margin, margin + 36, look.subtitle, { size: 12, fill: quiet }),
  ];
  let bottom = margin + 50;
  let width = Math.max(
    640,
    widthOf(look.title, 18) * 1.1 + 2 * margin,
    widthOf(look.subtitle, 12) + 2 * margin,
  );
  for (const block of look.blocks) {
    const placed = placeBlock(look, block, bottom, look.blocks.length > 1);
    shapes.push(...placed.shapes);
    bottom = placed.bottom + 10;
    width = Math.max(width, placed.width);
  }
  shapes.push(...legend(look, bottom + 12));
  const height = bottom + 12 + 14 + 17 + margin;
  return {
    width: Math.ceil(width),
    height: Math.ceil(height),
    title: look.title,
    description: look.subtitle,
    shapes: [rectangle(0, 0, Math.ceil(width), Math.ceil(height), '#ffffff'), ...shapes],
  };
}
