/** Chart.js with the parts the window draws, and its look from the design tokens. */
import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  Filler,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Tooltip,
  type ChartOptions,
} from 'chart.js';
import { theme, token } from './theme.svelte.ts';

Chart.register(
  BarController,
  BarElement,
  CategoryScale,
  Filler,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Tooltip,
);

export { Chart };

export interface AxisLook {
  readonly title?: string | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly format?: ((value: number) => string) | undefined;
  /** Whether lines are drawn at the ticks. */
  readonly grid?: boolean;
  /** Ticks at whole numbers only: steps, layers. */
  readonly whole?: boolean;
}

/** Options of one linear axis in the look of the window. Reads the theme: call it where it is followed. */
export function linearAxis({ title, min, max, format, grid = true, whole = false }: AxisLook) {
  return {
    type: 'linear' as const,
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    border: { display: false },
    grid: { display: grid, color: token('--border'), drawTicks: false },
    ticks: {
      color: token('--text-3'),
      font: chartFont(11),
      padding: 6,
      maxTicksLimit: 7,
      ...(whole ? { precision: 0 } : {}),
      ...(format === undefined
        ? {}
        : { callback: (value: string | number) => format(Number(value)) }),
    },
    title: axisTitle(title),
  };
}

/** Options of one axis of categories. */
export function categoryAxis(title?: string) {
  return {
    type: 'category' as const,
    border: { color: token('--border') },
    grid: { display: false },
    ticks: { color: token('--text-2'), font: chartFont(11), padding: 4, autoSkip: false },
    title: axisTitle(title),
  };
}

function axisTitle(title: string | undefined) {
  return {
    display: title !== undefined,
    text: title ?? '',
    color: token('--text-3'),
    font: chartFont(11),
  };
}

export function chartFont(size: number) {
  return { family: token('--font-sans'), size };
}

/** What all charts have in common. */
export function commonOptions(format: (value: number) => string) {
  return {
    responsive: true,
    maintainAspectRatio: false,
    animation: theme.reducedMotion ? false : { duration: 250 },
    interaction: { mode: 'index', intersect: false },
    plugins: {
      legend: { display: false },
      tooltip: {
        backgroundColor: token('--raised'),
        titleColor: token('--text'),
        bodyColor: token('--text-2'),
        borderColor: token('--border'),
        borderWidth: 1,
        padding: 10,
        cornerRadius: 7,
        boxWidth: 8,
        boxHeight: 8,
        boxPadding: 4,
        usePointStyle: true,
        titleFont: { ...chartFont(12), weight: 600 },
        bodyFont: chartFont(12),
        callbacks: {
          label: (item: {
            dataset: { label?: string | undefined };
            parsed: { y?: number | null };
          }) => {
            const value = item.parsed.y ?? Number.NaN;
            return ` ${item.dataset.label ?? ''}  ${Number.isFinite(value) ? format(value) : '–'}`;
          },
        },
      },
    },
  } satisfies ChartOptions;
}
