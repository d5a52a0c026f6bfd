/** What the enlarged heatmap shows, and where its cells are. */
import type { ChartArea, Scale } from 'chart.js';
import type { DivergingScale } from '../../lib/colours.ts';
import { token } from '../../lib/theme.svelte.ts';
import type { Place } from './grid-keys.ts';

/** Rows and columns: ids, which are unique, and what they are called. */
export interface Names {
  readonly ids: readonly string[];
  readonly titles: readonly string[];
  readonly colours: readonly string[];
}

/** Tokens of the theme that drawing needs; asking for one of them makes the browser settle all styles. */
export interface HeatmapInks {
  readonly own: string;
  readonly chosen: string;
  readonly focus: string;
  readonly font: string;
}

export interface HeatmapLook {
  readonly rows: Names;
  readonly columns: Names;
  readonly values: readonly (readonly number[])[];
  readonly scale: DivergingScale;
  readonly dark: boolean;
  readonly inks: HeatmapInks;
}

/** Cells that stand out. */
export interface HeatmapMarks {
  readonly focused?: Place | undefined;
  readonly chosen?: Place | undefined;
}

/** What drawing needs of a chart, of whatever type. */
export interface Drawing {
  readonly ctx: CanvasRenderingContext2D;
  readonly chartArea: ChartArea;
  readonly scales: Record<string, Scale>;
}

/** Room between two cells. */
const gap = 2;

/** Reads the theme: call it where that is followed. */
export function heatmapInks(): HeatmapInks {
  return {
    own: token('--text-2'),
    chosen: token('--text'),
    focus: token('--focus'),
    font: token('--font-sans'),
  };
}

/** Width and height of every cell, in CSS pixels. */
export function cellSize(
  chart: Drawing,
  { rows, columns }: Pick<HeatmapLook, 'rows' | 'columns'>,
): { width: number; height: number } {
  // There is no area yet when the first sizes are asked for.
  const area = (chart as { chartArea?: ChartArea }).chartArea ?? { width: 0, height: 0 };
  return {
    width: Math.max(0, area.width / Math.max(1, columns.ids.length) - gap),
    height: Math.max(0, area.height / Math.max(1, rows.ids.length) - gap),
  };
}
