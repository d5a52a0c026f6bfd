/** One pass of a selection: what it keeps for each tensor, or for the whole model, and when it closes it. */
import type { ParameterTable, ParameterValues } from '../lib/parameters.ts';
import { BLOCK, forEachBlock } from './blocks.ts';
import { definePass, type Group, type MergeContext, type Pass } from './method.ts';
import { magnitudeKeys, signedKeys } from './select-counts.ts';
import type { Narrowed, Selected, Selection, SelectionRequest } from './select-magnitudes.ts';

/** What a pass does with the keys of one tensor, or of the whole model. */
export interface SlotWork<Prepared, Slot> {
  readonly open: (at: {
    readonly group: Group;
    readonly parameters: ParameterValues;
    readonly context: MergeContext<ParameterTable, Prepared>;
    readonly valueCount: number;
    /** What the pass before found. */
    readonly sets: readonly (readonly Narrowed[])[];
  }) => Slot;
  /** Takes the first `count` keys of a list; `index` is that of the first in its tensor. */
  readonly add: (slot: Slot, list: number, keys: Int32Array, count: number, index: number) => void;
  readonly merge?: (into: Slot, later: Slot) => void;
  readonly close: (slot: Slot) => readonly (readonly Narrowed[])[];
}

/** Slots become sets, which are small, as soon as their tensor is complete. */
interface Tally<Slot> {
  readonly valueCount: number;
  readonly open: Map<string, Slot>;
  readonly closed: Map<string, readonly (readonly Narrowed[])[]>;
}

export function slotPass<Name extends string, Prepared extends Selected<Name>, Slot>(
  name: Name,
  request: SelectionRequest<Prepared>,
  { open, add, merge, close }: SlotWork<Prepared, Slot>,
): Pass<Prepared> {
  const { scope } = request;
  return definePass<Prepared, Tally<Slot>>({
    orderFree: scope === 'model',
    begin: ({ valueCount }) => ({ valueCount, open: new Map(), closed: new Map() }),
    add(tally, group, parameters, context) {
      const key = scope === 'model' ? '' : group.name;
      let slot = tally.open.get(key);
      if (slot === undefined) {
        const sets = before(context.prepared, name)?.sets.get(key) ?? [];
        const { valueCount } = tally;
        slot = open({ group, parameters, context, valueCount, sets });
        tally.open.set(key, slot);
      }
      forEachBlockOfKeys(request, group, context, (list, keys, count, index) => {
        add(slot, list, keys, count, index);
      });
    },
    combine(into, later) {
      for (const [key, slot] of later.open) {
        const own = into.open.get(key);
        if (scope === 'tensor') into.closed.set(key, close(slot));
        else if (own === undefined) into.open.set(key, slot);
        else merge?.(own, slot);
      }
      for (const [key, sets] of later.closed) into.closed.set(key, sets);
    },
    finish(tally, prepared) {
      for (const [key, slot] of tally.open) tally.closed.set(key, close(slot));
      const selection: Selection = { scope, sets: tally.closed };
      return { ...prepared, [name]: selection } as unknown as Prepared;
    },
  });
}

function forEachBlockOfKeys<Prepared>(
  { lists, fill, signed }: SelectionRequest<Prepared>,
  group: Group,
  context: MergeContext<ParameterTable, Prepared>,
  visit: (list: number, keys: Int32Array, count: number, index: number) => void,
): void {
  const numbers = new Float32Array(Math.min(BLOCK, group.base.length));
  const keys = new Int32Array(numbers.buffer);
  for (let list = 0; list < (lists ?? group.experts.length); list++) {
    forEachBlock(group.base.length, (begin, end) => {
      if (fill === undefined) differences(numbers, group.experts[list]!, group.base, begin, end);
      else fill(numbers, list, { group, begin, end }, context);
      if (signed === true) signedKeys(keys, end - begin);
      else magnitudeKeys(keys, end - begin);
      visit(list, keys, end - begin, group.offset + begin);
    });
  }
}

function differences(
  target: Float32Array,
  expert: Float32Array,
  base: Float32Array,
  begin: number,
  end: number,
): void {
  const count = end - begin;
  for (let i = 0; i < count; i++) target[i] = expert[begin + i]! - base[begin + i]!;
}

/** What the passes before have found; the first has none before it. */
function before<Name extends string>(
  prepared: Selected<Name> | undefined,
  name: Name,
): Selection | undefined {
  return prepared?.[name];
}
