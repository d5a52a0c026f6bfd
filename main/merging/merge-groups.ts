/** Runs a method over groups that lie in memory or come one after another, on this thread. */
import { findNonFinite } from '../checkpoints/half.ts';
import { AppError } from '../lib/errors.ts';
import { linearAlgebra } from './linear-algebra.ts';
import type { Group, MergeTotals, Method } from './method.ts';
import type { MethodSettings } from './settings.ts';

/**
 * All groups of a merge, to be read once for every pass and once to merge; the pieces of a tensor follow
 * one another in order.
 */
export interface GroupSource extends MergeTotals {
  groups(): AsyncIterable<Group>;
  /** All of them are not read in this pass. */
  skip?(): void;
}

export interface MethodUse extends MethodSettings {
  readonly method: Method;
  readonly seed: number;
}

/** How often a method reads all tensors, at most. */
export function readCount({ method, parameters, settings }: MethodUse): number {
  return 1 + (method.passes?.(parameters, settings).length ?? 0);
}

/** The merged groups in order. Throws `merge.non_finite`, and what the source throws. */
export async function* mergeGroups(
  use: MethodUse,
  source: GroupSource,
): AsyncGenerator<{ readonly name: string; readonly data: Float32Array }, void, undefined> {
  const { method, parameters, settings, seed } = use;
  const shared = { settings, seed, linear: linearAlgebra };
  let prepared: unknown;
  for (const pass of method.passes?.(parameters, settings) ?? []) {
    if (prepared !== undefined && pass.needless?.(prepared) === true) {
      source.skip?.();
      continue;
    }
    const total = pass.begin(source, prepared);
    let tally: unknown;
    for await (const group of source.groups()) {
      // The pieces of a tensor come one after another; each tensor has a tally of its own.
      if (pass.orderFree !== true && group.offset === 0) {
        if (tally !== undefined) pass.combine(total, tally);
        tally = pass.begin(source, prepared);
      }
      pass.add(tally ?? total, group, parameters, { ...shared, prepared });
    }
    if (tally !== undefined) pass.combine(total, tally);
    prepared = pass.finish(total, prepared, source);
  }
  for await (const group of source.groups()) {
    const data = await method.merge(group, parameters, { ...shared, prepared });
    refuseNonFinite(method, group, data);
    yield { name: group.name, data };
  }
}

/** What a method gives must be finite, as what it got is; throws `merge.non_finite`. */
export function refuseNonFinite(method: Method, group: Group, data: Float32Array): void {
  const { count, firstIndex } = findNonFinite(data);
  if (count === 0) return;
  throw new AppError('merge.non_finite', {
    what: `method "${method.id}" gives ${count} values too large for fp32, the first at index ${group.offset + firstIndex}`,
    where: `tensor "${group.name}"`,
    hint: 'use a smaller scaling coefficient',
  });
}
