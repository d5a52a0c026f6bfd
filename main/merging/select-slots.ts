/** One pass of a selection: what it keeps for each tensor, or for the whole model, and when it closes it. */
import type { ParameterTable, ParameterValues } from '../lib/parameters.ts';
import { KEY_BLOCK, KeyKernel } from './kernels/key-kernel.ts';
import { definePass, type Group, type MergeContext, type Pass } from './method.ts';
import { magnitudeKeys } from './select-counts.ts';
import type { Narrowed, Selected, Selection, SelectionRequest } from './select-magnitudes.ts';

/** What a pass does with the keys of one tensor, or of the whole model. */
export interface SlotWork<Prepared, Slot> {
  /** Of a slot for each list, at most. */
  readonly bytes: number;
  readonly open: (at: {
    readonly group: Group;
    readonly parameters: ParameterValues;
    readonly context: MergeContext<ParameterTable, Prepared>;
    readonly valueCount: number;
    /** What the pass before found. */
    readonly sets: readonly (readonly Narrowed[])[];
  }) => Slot;
  /** Takes a block of keys of a list; `index` is that of the first in its tensor. */
  readonly add: (slot: Slot, list: number, keys: KeyKernel, index: number) => void;
  /** After the last block of a list in a group. */
  readonly flush?: (slot: Slot, list: number, keys: KeyKernel) => void;
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
  { bytes, open, add, flush, merge, close }: SlotWork<Prepared, Slot>,
): Pass<Prepared> {
  const { scope } = request;
  return definePass<Prepared, Tally<Slot>>({
    orderFree: scope === 'model',
    tallyBytes: ({ expertCount }) => bytes * (request.lists ?? expertCount),
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
      kernel ??= new KeyKernel();
      for (let list = 0; list < (request.lists ?? group.experts.length); list++) {
        for (let begin = 0; begin < group.base.length; begin += KEY_BLOCK) {
          const end = Math.min(begin + KEY_BLOCK, group.base.length);
          writeKeys(kernel, request, list, { group, begin, end }, context);
          add(slot, list, kernel, group.offset + begin);
        }
        flush?.(slot, list, kernel);
      }
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

/** One for a thread, as its memory is made anew for every block. */
let kernel: KeyKernel | undefined;

function writeKeys<Prepared>(
  into: KeyKernel,
  { fill }: SelectionRequest<Prepared>,
  list: number,
  piece: { readonly group: Group; readonly begin: number; readonly end: number },
  context: MergeContext<ParameterTable, Prepared>,
): void {
  const { group, begin, end } = piece;
  if (fill === undefined) {
    into.differences(group.experts[list]!, group.base, begin, end);
    return;
  }
  fill(into.numbers, list, piece, context);
  magnitudeKeys(into.keys, end - begin);
  into.close(end - begin);
}

/** What the passes before have found; the first has none before it. */
function before<Name extends string>(
  prepared: Selected<Name> | undefined,
  name: Name,
): Selection | undefined {
  return prepared?.[name];
}
