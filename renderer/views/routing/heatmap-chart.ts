/**
 * The enlarged heatmap on Chart.js with chartjs-chart-matrix. The cells are the chart's own elements; a plugin writes
 * the values into them and marks own experts, the focused cell and the chosen one.
 */
import type { ChartArea, ChartOptions, Plugin, Scale } from 'chart.js';
import { MatrixController, MatrixElement, type MatrixDataPoint } from 'chartjs-chart-matrix';
import { Chart, chartFont } from '../../lib/charts.ts';
import { css, diverging, textOn, type DivergingScale } from '../../lib/colours.ts';
import { decimal } from '../../lib/format.ts';
import { token } from '../../lib/theme.svelte.ts';
import type { Place } from './grid-keys.ts';

Chart.register(MatrixController, MatrixElement);

export type HeatmapChart = Chart<'matrix', Point[], string>;

/** Rows and columns: ids, which are unique, and what they are called. */
export interface Names {
  readonly ids: readonly string[];
  readonly titles: readonly string[];
  readonly colours: readonly string[];
}

export interface HeatmapLook {
  readonly rows: Names;
  readonly columns: Names;
  readonly values: readonly (readonly number[])[];
  readonly scale: DivergingScale;
  readonly dark: boolean;
}

/** Cells that stand out. */
export interface HeatmapMarks {
  readonly focused?: Place | undefined;
  readonly chosen?: Place | undefined;
}

/** A cell of the chart; carries its colour, so that Chart.js asks nobody else. */
interface Point extends MatrixDataPoint {
  readonly colour: string;
}

/** What drawing needs of a chart, of whatever type. */
interface Drawing {
  readonly ctx: CanvasRenderingContext2D;
  readonly chartArea: ChartArea;
  readonly scales: Record<string, Scale>;
}

/** Room between two cells. */
const gap = 2;
const swatch = 8;

/** Texts are cut to the room there is, in characters that are about 6 px wide. */
function cut(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, Math.max(1, characters - 1))}…`;
}

/** As many characters as a row label may have on a chart of that width. */
function rowCharacters(width: number): number {
  return Math.max(6, Math.min(18, Math.floor((width * 0.24) / 6.2)));
}

function cellSize(
  chart: Drawing,
  { rows, columns }: HeatmapLook,
): { width: number; height: number } {
  // There is no area yet when the first sizes are asked for.
  const area = (chart as { chartArea?: ChartArea }).chartArea ?? { width: 0, height: 0 };
  return {
    width: Math.max(0, area.width / Math.max(1, columns.ids.length) - gap),
    height: Math.max(0, area.height / Math.max(1, rows.ids.length) - gap),
  };
}

function frame(
  chart: Drawing,
  look: HeatmapLook,
  place: Place,
  outset: number,
): [number, number, number, number] {
  const { width, height } = cellSize(chart, look);
  const x = chart.scales['x']!.getPixelForValue(place.column) - width / 2;
  const y = chart.scales['y']!.getPixelForValue(place.row) - height / 2;
  return [x - outset, y - outset, width + 2 * outset, height + 2 * outset];
}

function outline(
  chart: Drawing,
  look: HeatmapLook,
  place: Place,
  colour: string,
  width: number,
  outset: number,
): void {
  const { ctx } = chart;
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.beginPath();
  ctx.roundRect(...frame(chart, look, place, outset), 4);
  ctx.stroke();
}

/** The cell of each row that belongs to the row's own expert. */
function drawOwn(chart: Drawing, look: HeatmapLook): void {
  const colour = token('--text-2');
  look.rows.ids.forEach((task, row) => {
    const column = look.columns.ids.indexOf(task);
    if (column !== -1) outline(chart, look, { row, column }, colour, 1, 0);
  });
}

function drawValues(chart: Drawing, look: HeatmapLook): void {
  const { width, height } = cellSize(chart, look);
  if (width < 30 || height < 15) return;
  const { ctx } = chart;
  ctx.font = `${width < 38 ? 10 : 11}px ${token('--font-sans')}`;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  look.values.forEach((values, row) =>
    values.forEach((value, column) => {
      ctx.fillStyle = textOn(diverging(value, look.scale, look.dark));
      ctx.fillText(
        decimal(value),
        chart.scales['x']!.getPixelForValue(column),
        chart.scales['y']!.getPixelForValue(row) + 0.5,
      );
    }),
  );
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

function marksPlugin(look: () => HeatmapLook, marks: () => HeatmapMarks): Plugin<'matrix'> {
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
      if (chosen !== undefined) outline(chart, now, chosen, token('--text'), 2.5, 0.5);
      if (focused !== undefined) outline(chart, now, focused, token('--focus'), 3, 1.5);
      ctx.restore();
    },
  };
}

function axis(title: string, label: (index: number, width: number) => string) {
  return {
    type: 'category' as const,
    offset: true,
    border: { display: false },
    grid: { display: false },
    title: {
      display: true,
      text: title,
      color: token('--text-3'),
      font: chartFont(11),
      padding: 0,
    },
    ticks: {
      color: token('--text-2'),
      font: chartFont(11),
      // Room for the squares in the tasks' colours.
      padding: swatch + 8,
      autoSkip: false,
      maxRotation: 60,
      callback(this: { chart: Chart }, _value: string | number, index: number) {
        return label(index, this.chart.width);
      },
    },
  };
}

/** Reads the theme: call it where that is followed. */
export function heatmapOptions({
  rows,
  columns,
  tooltip,
}: Pick<HeatmapLook, 'rows' | 'columns'> & {
  /** Lines of the tooltip of a cell: its name, then its value. */
  readonly tooltip: (place: Place) => readonly string[];
}): ChartOptions<'matrix'> {
  return {
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    events: ['mousemove', 'mouseout'],
    layout: { padding: { right: 4, bottom: 2 } },
    interaction: { mode: 'nearest', intersect: true },
    scales: {
      x: {
        ...axis('expert', (index) => cut(columns.titles[index] ?? '', 16)),
        position: 'top',
        labels: [...columns.ids],
      },
      y: {
        ...axis('images of', (index, width) => cut(rows.titles[index] ?? '', rowCharacters(width))),
        // The first task on top, as in a table; the matrix chart's own default turns it round.
        reverse: false,
        labels: [...rows.ids],
      },
    },
    plugins: {
      legend: { display: false },
      tooltip: {
        displayColors: false,
        backgroundColor: token('--raised'),
        titleColor: token('--text'),
        bodyColor: token('--text-2'),
        borderColor: token('--border-strong'),
        borderWidth: 1,
        padding: 10,
        cornerRadius: 7,
        titleFont: { ...chartFont(12), weight: 600 },
        bodyFont: chartFont(12),
        callbacks: {
          title: (items) => {
            const index = items[0]?.dataIndex ?? 0;
            return [...tooltip(placeOf(index, columns.ids.length)).slice(0, 1)];
          },
          label: (item) => [...tooltip(placeOf(item.dataIndex, columns.ids.length)).slice(1)],
        },
      },
    },
  };
}

function placeOf(index: number, columns: number): Place {
  return { row: Math.floor(index / columns), column: index % columns };
}

/** One point for each cell, row by row. */
export function heatmapPoints({ rows, columns, values, scale, dark }: HeatmapLook): Point[] {
  return rows.ids.flatMap((y, row) =>
    columns.ids.map((x, column) => {
      const v = values[row]?.[column] ?? Number.NaN;
      return { x, y, v, colour: Number.isNaN(v) ? 'transparent' : css(diverging(v, scale, dark)) };
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
 * options and measures all labels again, which would take most of the time of a step of the slider.
 */
export function recolour(chart: HeatmapChart, look: HeatmapLook): void {
  const elements = chart.getDatasetMeta(0).data;
  const points = chart.data.datasets[0]!.data;
  heatmapPoints(look).forEach((point, index) => {
    // In place: a later update, or a hover, takes the colour from the point.
    Object.assign(points[index] ?? {}, point);
    const element = elements[index];
    if (element !== undefined) {
      element.options = { ...element.options, backgroundColor: point.colour };
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
