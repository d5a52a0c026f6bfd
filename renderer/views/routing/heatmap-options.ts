/** Axes and tooltip of the enlarged heatmap. */
import type { Chart, ChartOptions } from 'chart.js';
import { chartFont } from '../../lib/charts.ts';
import { token } from '../../lib/theme.svelte.ts';
import type { Place } from './grid-keys.ts';
import type { HeatmapLook } from './heatmap-look.ts';
import { swatch } from './heatmap-marks.ts';

/** Texts are cut to the room there is, in characters that are about 6 px wide. */
function cut(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, Math.max(1, characters - 1))}…`;
}

/** As many characters as a row label may have on a chart of that width. */
function rowCharacters(width: number): number {
  return Math.max(6, Math.min(18, Math.floor((width * 0.24) / 6.2)));
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
