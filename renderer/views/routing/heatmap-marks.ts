/** What is drawn over the cells of the enlarged heatmap: their values, own experts, the focused cell and the chosen one. */
import type { Plugin } from 'chart.js';
import { decimal } from '../../lib/format.ts';
import type { Place } from './grid-keys.ts';
import { cellSize, type Drawing, type HeatmapLook, type HeatmapMarks } from './heatmap-look.ts';
import { colourIndex, scaleColours } from './scale-colours.ts';

/** Side of the square in a task's colour beside its name. */
export const swatch = 8;

function outline(
  chart: Drawing,
  look: HeatmapLook,
  place: Place,
  colour: string,
  width: number,
  outset: number,
): void {
  const { ctx, scales } = chart;
  const cell = cellSize(chart, look);
  const x = scales['x']!.getPixelForValue(place.column) - cell.width / 2;
  const y = scales['y']!.getPixelForValue(place.row) - cell.height / 2;
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.beginPath();
  ctx.roundRect(x - outset, y - outset, cell.width + 2 * outset, cell.height + 2 * outset, 4);
  ctx.stroke();
}

/** The cell of each row that belongs to the row's own expert. */
function drawOwn(chart: Drawing, look: HeatmapLook): void {
  look.rows.ids.forEach((task, row) => {
    const column = look.columns.ids.indexOf(task);
    if (column !== -1) outline(chart, look, { row, column }, look.inks.own, 1, 0);
  });
}

function drawValues(chart: Drawing, look: HeatmapLook): void {
  const { width, height } = cellSize(chart, look);
  if (width < 30 || height < 15) return;
  const { ctx, scales } = chart;
  const { inks } = scaleColours(look.dark);
  const xs = look.columns.ids.map((_, column) => scales['x']!.getPixelForValue(column));
  ctx.font = `${width < 38 ? 10 : 11}px ${look.inks.font}`;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  look.values.forEach((values, row) => {
    const y = scales['y']!.getPixelForValue(row) + 0.5;
    values.forEach((value, column) => {
      ctx.fillStyle = inks[colourIndex(value, look.scale)] ?? look.inks.own;
      ctx.fillText(decimal(value), xs[column] ?? 0, y);
    });
  });
}

/** The tasks' colours beside their names, so that a row and a column of one task are seen to belong together. */
function drawSwatches(chart: Drawing, look: HeatmapLook): void {
  const { ctx, chartArea } = chart;
  const square = (x: number, y: number, colour: string | undefined): void => {
    ctx.fillStyle = colour ?? 'transparent';
    ctx.beginPath();
    ctx.roundRect(x, y, swatch, swatch, 2);
    ctx.fill();
  };
  look.rows.ids.forEach((_, row) => {
    const y = chart.scales['y']!.getPixelForValue(row);
    square(chartArea.left - swatch - 5, y - swatch / 2, look.rows.colours[row]);
  });
  look.columns.ids.forEach((_, column) => {
    const x = chart.scales['x']!.getPixelForValue(column);
    square(x - swatch / 2, chartArea.top - swatch - 4, look.columns.colours[column]);
  });
}

/** Draws what `look` and `marks` return at the time. */
export function marksPlugin(look: () => HeatmapLook, marks: () => HeatmapMarks): Plugin<'matrix'> {
  return {
    id: 'marks',
    afterDatasetsDraw(chart) {
      const { ctx } = chart;
      const now = look();
      ctx.save();
      drawSwatches(chart, now);
      drawOwn(chart, now);
      drawValues(chart, now);
      const { chosen, focused } = marks();
      if (chosen !== undefined) outline(chart, now, chosen, now.inks.chosen, 2.5, 0.5);
      if (focused !== undefined) outline(chart, now, focused, now.inks.focus, 3, 1.5);
      ctx.restore();
    },
  };
}
