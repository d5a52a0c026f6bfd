/**
 * The enlarged heatmap on Chart.js with chartjs-chart-matrix. The cells are the chart's own elements, what stands on
 * them is drawn by a plugin.
 */
import { MatrixController, MatrixElement, type MatrixDataPoint } from 'chartjs-chart-matrix';
import { Chart } from '../../lib/charts.ts';
import type { Place } from './grid-keys.ts';
import { cellSize, type HeatmapLook, type HeatmapMarks } from './heatmap-look.ts';
import { marksPlugin } from './heatmap-marks.ts';
import { colourIndex, scaleColours } from './scale-colours.ts';

Chart.register(MatrixController, MatrixElement);

export type HeatmapChart = Chart<'matrix', Point[], string>;

/** A cell of the chart; carries its colour, so that Chart.js asks nobody else. */
interface Point extends MatrixDataPoint {
  v: number;
  colour: string;
}

function colourOf(value: number, { scale, dark }: HeatmapLook): string {
  return scaleColours(dark).css[colourIndex(value, scale)] ?? 'transparent';
}

/** One point for each cell, row by row. */
export function heatmapPoints(look: HeatmapLook): Point[] {
  return look.rows.ids.flatMap((y, row) =>
    look.columns.ids.map((x, column) => {
      const v = look.values[row]?.[column] ?? Number.NaN;
      return { x, y, v, colour: colourOf(v, look) };
    }),
  );
}

/** An empty chart; its marks are what `look` and `marks` return at the time. */
export function createHeatmap(
  canvas: HTMLCanvasElement,
  look: () => HeatmapLook,
  marks: () => HeatmapMarks,
): HeatmapChart {
  return new Chart<'matrix', Point[], string>(canvas, {
    type: 'matrix',
    data: {
      datasets: [
        {
          data: [],
          backgroundColor: ({ raw }) => (raw as Point | undefined)?.colour ?? 'transparent',
          borderWidth: 0,
          // Rounded paths cost a multiple of plain rectangles where nothing but the processor draws.
          borderRadius: ({ chart }) => ((chart.data.datasets[0]?.data.length ?? 0) > 150 ? 0 : 3),
          hoverBorderWidth: 0,
          width: ({ chart }) => cellSize(chart, look()).width,
          height: ({ chart }) => cellSize(chart, look()).height,
        },
      ],
    },
    options: {},
    plugins: [marksPlugin(look, marks)],
  });
}

/**
 * Gives the cells new values without asking Chart.js for a new layout: an update of 20 × 20 cells resolves their
 * options and measures all labels again, which would take most of the time of a step of the slider. Everything is
 * changed in place, so that sliding leaves no garbage behind.
 */
export function recolour(chart: HeatmapChart, look: HeatmapLook): void {
  const elements = chart.getDatasetMeta(0).data;
  const points = chart.data.datasets[0]!.data;
  const columns = look.columns.ids.length;
  points.forEach((point, index) => {
    point.v = look.values[Math.floor(index / columns)]?.[index % columns] ?? Number.NaN;
    // A later update, or a hover, takes the colour from the point.
    point.colour = colourOf(point.v, look);
    const element = elements[index];
    // Its own: options that depend on the cell are shared with no other element.
    if (element !== undefined) {
      (element.options as { backgroundColor: string }).backgroundColor = point.colour;
    }
  });
  chart.draw();
}

/** The cell under a point of the canvas, in CSS pixels; undefined outside of the cells. */
export function cellAt(chart: HeatmapChart, x: number, y: number): Place | undefined {
  const { chartArea: area, scales } = chart;
  if (x < area.left || x > area.right || y < area.top || y > area.bottom) return undefined;
  const [column, row] = [scales['x']!.getValueForPixel(x), scales['y']!.getValueForPixel(y)];
  return column === undefined || row === undefined ? undefined : { row, column };
}
