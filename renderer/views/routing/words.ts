/** What one cell is called and says; read out, shown under the heatmap, and on hover. */
import type { Routing } from '../../../main/api/routing.ts';
import { decimal, percent } from '../../lib/format.ts';
import type { Moment } from './frames.ts';

/** A cell of the enlarged layer: row and column in the axes that are drawn. */
export interface Cell {
  readonly task: string;
  readonly expert: string;
}

type Titles = (task: string) => string;

function signed(value: number): string {
  const text = decimal(value);
  return value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** "letters images, kana expert". */
export function cellName({ task, expert }: Cell, titles: Titles): string {
  return `${titles(task)} images, ${titles(expert)} expert`;
}

/** "λ 0.93 ± 0.21, +0.63 from λ₀ …". */
export function cellValue(
  cell: Cell,
  layer: number,
  { routing, moment }: { readonly routing: Routing; readonly moment: Moment },
): string {
  const t = routing.tasks.indexOf(cell.task);
  const k = routing.experts.indexOf(cell.expert);
  const value = moment.lambda[layer]?.[t]?.[k];
  if (value === undefined) return 'no value';
  const deviation = moment.deviation?.[layer]?.[t]?.[k];
  const spread = deviation === undefined ? '' : ` ± ${decimal(deviation)}`;
  const share = routing.firstChoice[layer]?.[t];
  const own =
    cell.task === cell.expert && share !== undefined && moment.step === 'test'
      ? `; ${percent(share, 0)} of these images have their largest λ here`
      : '';
  return `λ ${decimal(value)}${spread} (${signed(value - routing.lambda0)} from λ₀)${own}`;
}

/** The value of a cell in a difference. */
export function differenceValue(
  value: number | undefined,
  a: { readonly title: string; readonly lambda: number | undefined },
  b: { readonly title: string; readonly lambda: number | undefined },
): string {
  const each = [a, b].map(({ title, lambda }) => `${title} ${decimal(lambda ?? Number.NaN)}`);
  return `difference ${signed(value ?? Number.NaN)} (${each.join(', ')})`;
}
