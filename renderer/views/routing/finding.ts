/** What the heatmaps say, in plain sentences computed from the numbers. */
import type { Routing } from '../../../main/api/routing.ts';
import { decimal, percent } from '../../lib/format.ts';

export interface Finding {
  readonly headline: string;
  readonly details: readonly string[];
  /** Whether rows differ at all. */
  readonly kind: 'routed' | 'undecided' | 'constant';
}

type Titles = (task: string) => string;

/** A layer of which so many images go to their own expert first is said to route. */
const routedShare = 0.75;
/** λ that differ by less look the same in every number shown. */
const visible = 0.01;

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, one) => sum + one, 0) / values.length;
}

/** Share of images of all tasks (each weighing the same) that go to their own expert first, by layer. */
export function ownShares({ firstChoice }: Pick<Routing, 'firstChoice'>): number[] {
  return firstChoice.map(mean);
}

/** Layers as people list them: "layer 3", "layers 0, 2 and 3", "layers 3–5", "all 6 layers". */
export function layerList(layers: readonly number[], all: number): string {
  if (layers.length === all && all > 1) return `all ${all} layers`;
  const ranges: string[] = [];
  for (let at = 0; at < layers.length;) {
    let end = at;
    while (layers[end + 1] === (layers[end] ?? 0) + 1) end++;
    const [from, to] = [layers[at], layers[end]];
    if (end - at >= 2) ranges.push(`${from}–${to}`);
    else ranges.push(...layers.slice(at, end + 1).map(String));
    at = end + 1;
  }
  const last = ranges.pop() ?? '';
  const list = ranges.length === 0 ? last : `${ranges.join(', ')} and ${last}`;
  return `${layers.length === 1 ? 'layer' : 'layers'} ${list}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** How far the rows of a layer are apart, at most. */
function spread(rows: readonly (readonly number[])[]): number {
  const columns = rows[0]?.length ?? 0;
  let widest = 0;
  for (let k = 0; k < columns; k++) {
    const column = rows.map((row) => row[k] ?? 0);
    widest = Math.max(widest, Math.max(...column) - Math.min(...column));
  }
  return widest;
}

function largest(values: readonly number[]): number {
  return values.reduce((best, value, index) => (value > (values[best] ?? 0) ? index : best), 0);
}

interface Loan {
  readonly task: string;
  readonly expert: string;
  readonly layers: number[];
}

/** Tasks whose images another task's expert gets first by mean λ, the one with the most layers first. */
function loans({ tasks, experts, mean: lambda }: Routing): Loan[] {
  const found = new Map<string, Loan>();
  lambda.forEach((rows, layer) =>
    tasks.forEach((task, t) => {
      const expert = experts[largest(rows[t] ?? [])];
      if (expert === undefined || expert === task || !experts.includes(task)) return;
      const key = `${task}/${expert}`;
      const loan = found.get(key) ?? { task, expert, layers: [] };
      loan.layers.push(layer);
      found.set(key, loan);
    }),
  );
  return [...found.values()].sort((a, b) => b.layers.length - a.layers.length);
}

function constantFinding(routing: Routing, titles: Titles): Finding {
  const peaks = routing.mean.map((rows) => largest(rows[0] ?? []));
  const layer = routing.mean.reduce(
    (best, rows, index) =>
      (rows[0]?.[peaks[index] ?? 0] ?? 0) > (routing.mean[best]?.[0]?.[peaks[best] ?? 0] ?? 0)
        ? index
        : best,
    0,
  );
  const expert = routing.experts[peaks[layer] ?? 0];
  const value = routing.mean[layer]?.[0]?.[peaks[layer] ?? 0];
  return {
    kind: 'constant',
    headline: 'Every image gets the same mix of experts.',
    details: [
      'All rows of a layer are equal: these weights do not depend on the input, so no diagonal can form.',
      ...(expert === undefined || value === undefined
        ? []
        : [
            `What counts is the column: the largest weight is that of ${titles(expert)} in layer ${layer} (λ ${decimal(value)}).`,
          ]),
    ],
  };
}

/** The finding of the adapted model on the test images. */
export function findingOf(routing: Routing, titles: Titles): Finding {
  const { layers } = routing;
  if (Math.max(0, ...routing.mean.map(spread)) < visible && routing.tasks.length > 1) {
    return constantFinding(routing, titles);
  }
  const shares = ownShares(routing);
  const routed = shares.flatMap((share, layer) => (share >= routedShare ? [layer] : []));
  const best = largest(shares);
  const worst = shares.reduce((low, share, at) => (share < (shares[low] ?? 0) ? at : low), 0);
  const details: string[] = [];
  let headline: string;
  if (routed.length > 0) {
    const share = percent(mean(routed.map((layer) => shares[layer] ?? 0)), 0);
    headline = `${capital(layerList(routed, layers))} ${routed.length === 1 ? 'sends' : 'send'} ${share} of the images first to their own task’s expert.`;
    if (routed.length < layers) {
      details.push(
        `The least selective is layer ${worst} with ${percent(shares[worst], 0)}: there the experts are shared.`,
      );
    }
  } else {
    headline = `No layer sends most images to their own task’s expert; layer ${best} comes closest with ${percent(shares[best], 0)}.`;
  }
  const loan = loans(routing)[0];
  if (loan !== undefined) {
    details.push(
      `Images of ${titles(loan.task)} get most of the ${titles(loan.expert)} expert in ${layerList(loan.layers, layers)}.`,
    );
  }
  return { kind: routed.length > 0 ? 'routed' : 'undecided', headline, details };
}

/** Two adapted models in one sentence. */
export function comparisonOf(
  a: { readonly title: string; readonly routing: Routing },
  b: { readonly title: string; readonly routing: Routing },
): Finding {
  const [first, second] = [mean(ownShares(a.routing)), mean(ownShares(b.routing))];
  const more = first >= second ? a : b;
  const equal = Math.abs(first - second) < 0.005;
  return {
    kind: 'routed',
    headline: equal
      ? `Both send ${percent(first, 0)} of the images first to their own task’s expert, over all layers.`
      : `${more.title} is the more selective: ${percent(Math.max(first, second), 0)} of the images go first to their own task’s expert, against ${percent(Math.min(first, second), 0)}.`,
    details: [],
  };
}

/** How to read what is shown. */
export function readingHelp(
  kind: Finding['kind'],
  lambda0: number,
  difference: { readonly a: string; readonly b: string } | undefined,
): string {
  const places = 'Row: where the images come from. Column: the expert.';
  if (difference !== undefined) {
    return `${places} Orange: ${difference.a} uses the expert more than ${difference.b}; blue: less.`;
  }
  const colours = `Orange: more of it than at the start (λ₀ = ${decimal(lambda0)}); blue: less.`;
  const diagonal =
    kind === 'constant'
      ? 'Equal rows mean that a layer treats all tasks alike.'
      : 'A bright diagonal means that images get their own task’s expert.';
  return `${places} ${colours} ${diagonal}`;
}
