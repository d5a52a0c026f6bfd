/**
 * Rescaling as mergekit does it: what is left of a task vector is scaled so that the sum of its
 * magnitudes is that of the whole, tensor by tensor.
 */
import type { ParameterTable, ParameterValues } from '../../lib/parameters.ts';
import { MagnitudeKernel } from '../kernels/magnitude-kernel.ts';
import { definePass, type Group, type MergeContext, type Pass } from '../method.ts';
import { addMagnitudes, emptySums, LANES, sumOf } from './lane-sums.ts';
import { forEachThinned, type Sparsify } from './merge-task-vectors.ts';
import { canVectorise, dropKey, randomLimit, type RandomMasking } from './vector-merge.ts';

/** Below it a sum counts as zero, and nothing is rescaled. */
const LEAST_SUM = 1e-7;

export interface L1Scales {
  /** By tensor, for each expert. */
  readonly scales?: ReadonlyMap<string, readonly number[]>;
}

/** Lanes of the sums of each expert. */
interface Sums {
  readonly whole: Float64Array;
  readonly kept: Float64Array;
}

interface Tally {
  readonly open: Map<string, Sums>;
  readonly scales: Map<string, readonly number[]>;
}

type Context<Prepared> = MergeContext<ParameterTable, Prepared>;

/** How a method thins out a group, for given values; before any rescaling by L1 norm. */
export interface PlainThinning<Prepared> {
  readonly wholeRows: boolean;
  readonly thin: (
    group: Group,
    parameters: ParameterValues,
    context: Context<Prepared>,
  ) => Sparsify;
  /** The same as data, where values are dropped at random. */
  readonly random?: ((context: Context<Prepared>) => RandomMasking) | undefined;
}

/** The pass that finds the scales. */
export function matchL1Pass<Prepared extends L1Scales>({
  wholeRows,
  thin,
  random,
}: PlainThinning<Prepared>): Pass<Prepared> {
  return definePass<Prepared, Tally>({
    begin: () => ({ open: new Map(), scales: new Map() }),
    add({ open }, group, parameters, context) {
      const count = group.experts.length;
      const sums = open.get(group.name) ?? { whole: emptySums(count), kept: emptySums(count) };
      open.set(group.name, sums);
      if (random !== undefined && canVectorise(group)) {
        addRandomlyKept(sums, group, random(context));
      } else {
        addThinned(sums, group, { wholeRows, sparsify: thin(group, parameters, context) });
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

/** The definition. */
export function addThinned(
  { whole, kept }: Sums,
  group: Group,
  how: { readonly sparsify: Sparsify; readonly wholeRows: boolean },
): void {
  for (let k = 0; k < group.experts.length; k++) {
    forEachThinned(group, k, how, (values, begin, count, thinned) => {
      addMagnitudes(thinned ? kept : whole, k, values, group.offset + begin, count);
    });
  }
}

let kernel: MagnitudeKernel | undefined;

/** The same by vector code. */
export function addRandomlyKept(
  { whole, kept }: Sums,
  group: Group,
  { seed, probabilities }: RandomMasking,
): void {
  kernel ??= new MagnitudeKernel();
  for (const [k, expert] of group.experts.entries()) {
    const rule = { key: dropKey(seed, group, k), limit: randomLimit(probabilities[k]!) };
    const own = (lanes: Float64Array) => lanes.subarray(k * LANES, (k + 1) * LANES);
    kernel.add(expert, group.base, group.offset, rule, { whole: own(whole), kept: own(kept) });
  }
}

function close({ open, scales }: Tally): void {
  for (const [name, { whole, kept }] of open) {
    const scaleOf = (k: number) => {
      const [all, left] = [sumOf(whole, k), sumOf(kept, k)];
      return all < LEAST_SUM || left < LEAST_SUM ? 1 : all / left;
    };
    scales.set(
      name,
      Array.from({ length: whole.length / LANES }, (_, k) => scaleOf(k)),
    );
  }
  open.clear();
}

/** Weights that have the scales of a group's tensor in them. */
export function rescaledBy({ scales }: L1Scales, group: Group, expert: number): number {
  return scales?.get(group.name)?.[expert] ?? 1;
}
