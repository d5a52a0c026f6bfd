/** Two sources beside each other: what they have in common, and how far they are apart. */
import type { Routing } from '../../../main/api/routing.ts';
import type { Lambda } from './frames.ts';

/** Rows and columns of a drawn matrix. */
export interface Axes {
  readonly tasks: readonly string[];
  readonly experts: readonly string[];
  readonly layers: number;
}

/** Tasks, experts and layers that both have, in the order of the first. */
export function commonAxes(a: Axes, b: Axes): Axes {
  return {
    tasks: a.tasks.filter((task) => b.tasks.includes(task)),
    experts: a.experts.filter((expert) => b.experts.includes(expert)),
    layers: Math.min(a.layers, b.layers),
  };
}

/** What is left out of `axes`, in words; undefined where nothing is. */
export function leftOut(a: Axes, b: Axes): string | undefined {
  const common = commonAxes(a, b);
  const only = (all: readonly string[], known: readonly string[]): string[] =>
    all.filter((one) => !known.includes(one));
  const tasks = [...new Set([...only(a.tasks, common.tasks), ...only(b.tasks, common.tasks)])];
  const layers = Math.max(a.layers, b.layers) - common.layers;
  const parts = [
    ...(tasks.length > 0 ? [`tasks that only one of them has (${tasks.join(', ')})`] : []),
    ...(layers > 0 ? [`layers from ${common.layers} on`] : []),
  ];
  return parts.length === 0 ? undefined : `Left out: ${parts.join('; ')}.`;
}

/** λ of the rows and columns of `axes`. */
function pick(lambda: Lambda, from: Axes, axes: Axes): number[][][] {
  const rows = axes.tasks.map((task) => from.tasks.indexOf(task));
  const columns = axes.experts.map((expert) => from.experts.indexOf(expert));
  return lambda
    .slice(0, axes.layers)
    .map((layer) => rows.map((row) => columns.map((column) => layer[row]?.[column] ?? Number.NaN)));
}

/** λ of `a` minus λ of `b` on what they have in common. */
export function subtract(
  a: { readonly lambda: Lambda; readonly routing: Routing },
  b: { readonly lambda: Lambda; readonly routing: Routing },
): number[][][] {
  const axes = commonAxes(a.routing, b.routing);
  const right = pick(b.lambda, b.routing, axes);
  return pick(a.lambda, a.routing, axes).map((layer, l) =>
    layer.map((row, t) => row.map((value, k) => value - (right[l]?.[t]?.[k] ?? Number.NaN))),
  );
}
