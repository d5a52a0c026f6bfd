/**
 * Rescaling as mergekit does it: what is left of a task vector is scaled so that the sum of its
 * magnitudes is that of the whole, tensor by tensor.
 */
import type { ParameterTable, ParameterValues } from '../../lib/parameters.ts';
import { definePass, type Group, type MergeContext, type Pass } from '../method.ts';
import { forEachThinned, type Sparsify } from './merge-task-vectors.ts';

/** Below it a sum counts as zero, and nothing is rescaled. */
const LEAST_SUM = 1e-7;

export interface L1Scales {
  /** By tensor, for each expert. */
  readonly scales?: ReadonlyMap<string, readonly number[]>;
}

interface Sums {
  readonly whole: Float64Array;
  readonly kept: Float64Array;
}

interface Tally {
  readonly open: Map<string, Sums>;
  readonly scales: Map<string, readonly number[]>;
}

/** How a method thins out a group, for given values; before any rescaling by L1 norm. */
export type Thinning<Prepared> = (
  group: Group,
  parameters: ParameterValues,
  context: MergeContext<ParameterTable, Prepared>,
) => Sparsify;

/** The pass that finds the scales. */
export function matchL1Pass<Prepared extends L1Scales>(
  thin: Thinning<Prepared>,
  wholeRows: boolean,
): Pass<Prepared> {
  return definePass<Prepared, Tally>({
    begin: () => ({ open: new Map(), scales: new Map() }),
    add({ open }, group, parameters, context) {
      const count = group.experts.length;
      const sums = open.get(group.name) ?? {
        whole: new Float64Array(count),
        kept: new Float64Array(count),
      };
      open.set(group.name, sums);
      const sparsify = thin(group, parameters, context);
      for (let k = 0; k < count; k++) {
        forEachThinned(group, k, { sparsify, wholeRows }, (values, length, thinned) => {
          const into = thinned ? sums.kept : sums.whole;
          into[k] = addMagnitudes(into[k]!, values, length);
        });
      }
    },
    combine(into, later) {
      close(later);
      for (const [name, scales] of later.scales) into.scales.set(name, scales);
    },
    finish(tally, prepared) {
      close(tally);
      return { ...prepared, scales: tally.scales } as unknown as Prepared;
    },
  });
}

function close({ open, scales }: Tally): void {
  for (const [name, { whole, kept }] of open) {
    const small = (k: number) => whole[k]! < LEAST_SUM || kept[k]! < LEAST_SUM;
    scales.set(
      name,
      Array.from(whole, (sum, k) => (small(k) ? 1 : sum / kept[k]!)),
    );
  }
  open.clear();
}

/** In order of the index: where a tensor is cut does not change the sum. */
function addMagnitudes(sum: number, values: Float64Array, count: number): number {
  let total = sum;
  for (let i = 0; i < count; i++) total += Math.abs(values[i]!);
  return total;
}

/** Weights that have the scales of a group's tensor in them. */
export function rescaledBy({ scales }: L1Scales, group: Group, expert: number): number {
  return scales?.get(group.name)?.[expert] ?? 1;
}
