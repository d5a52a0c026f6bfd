/**
 * Exact selection of the largest |θk − θ0| (or other numbers of each value), over the whole model or
 * within each tensor, without sorting and for all experts at once: bit patterns of fp32 numbers are
 * ordered as the numbers are, so one pass counts the upper bits and the next the lower bits of those that
 * share the upper ones. Where an exact number is wanted and some values are equal, a third pass finds the
 * index at which it is reached.
 */
import type { ParameterTable, ParameterValues } from '../lib/parameters.ts';
import { elementCount } from '../lib/tensor.ts';
import type { Group, MergeContext, Pass } from './method.ts';
import {
  addCounts,
  countLow,
  emptyHigh,
  emptyLow,
  findFromAbove,
  HIGH_BYTES,
  leastKey,
  LOW_BYTES,
  type Counts,
} from './select-counts.ts';
import { slotPass } from './select-slots.ts';

/** The values whose key is greater than `key`, and of the equal ones those before index `cutoff`. */
export interface TopSet {
  readonly key: number;
  /** In the whole tensor. */
  readonly cutoff: number;
}

/** Lists (one for each expert, mostly) of the top sets asked for. */
export type TopSets = readonly (readonly TopSet[])[];

type Scope = 'model' | 'tensor';

/** By tensor, or under the empty name for the whole model; complete after the last pass. */
export interface Selection {
  readonly scope: Scope;
  readonly sets: ReadonlyMap<string, readonly (readonly Narrowed[])[]>;
}

/** A set on its way: `key` may have upper bits alone, and `rest` of the values equal to it belong to it. */
export type Narrowed = TopSet & { readonly rest?: number };

/** What passes of a selection prepare, under a name of the method's choice. */
export type Selected<Name extends string> = Readonly<Partial<Record<Name, Selection>>>;

export interface SelectionRequest<Prepared> {
  readonly scope: Scope;
  /** Of equal values only as many as are wanted, those of the lowest indices; within tensors alone. */
  readonly exact?: boolean;
  /** How many values the sets of a list have: of `count`, of which `zeros` are zero. */
  readonly sizes: (list: number, count: number, context: SizeContext) => readonly number[];
  /** How many lists there are to select from; one for each expert if not given. */
  readonly lists?: number;
  /** Writes the numbers of a list; θk − θ0 if not given. */
  readonly fill?: (
    target: Float32Array,
    list: number,
    piece: { readonly group: Group; readonly begin: number; readonly end: number },
    context: MergeContext<ParameterTable, Prepared>,
  ) => void;
}

export interface SizeContext {
  readonly zeros: number;
  /** Of the whole merge where the scope is the model, else of the tensor. */
  readonly settings: readonly ParameterValues[];
  readonly parameters: ParameterValues;
}

/** Of a list, as methods ask for them. */
const MOST_SETS = 2;

/** No finite number has this key. */
const NOTHING: TopSet = { key: 0x7fffffff, cutoff: 0 };

/** The top sets of a group's tensor. */
export function topSets(selection: Selection, group: Group): TopSets {
  return selection.sets.get(selection.scope === 'model' ? '' : group.name) ?? [];
}

/** The passes after which `prepared[name]` holds the top sets that were asked for. */
export function selectionPasses<Name extends string, Prepared extends Selected<Name>>(
  name: Name,
  request: SelectionRequest<Prepared>,
): readonly Pass<Prepared>[] {
  const narrowing = [highPass(name, request), lowPass(name, request)];
  return request.exact === true ? [...narrowing, cutoffPass(name, request)] : narrowing;
}

interface HighSlot {
  readonly counts: readonly Counts[];
  readonly zeros: number[];
  readonly count: number;
  readonly context: Omit<SizeContext, 'zeros'>;
}

function highPass<Name extends string, Prepared extends Selected<Name>>(
  name: Name,
  request: SelectionRequest<Prepared>,
): Pass<Prepared> {
  return slotPass<Name, Prepared, HighSlot>(name, request, {
    bytes: HIGH_BYTES,
    open: ({ group, parameters, context, valueCount }) => ({
      counts: Array.from({ length: request.lists ?? group.experts.length }, () => emptyHigh()),
      zeros: Array.from({ length: request.lists ?? group.experts.length }, () => 0),
      count: request.scope === 'model' ? valueCount : elementCount(group.shape),
      context: { settings: context.settings, parameters },
    }),
    add: (_slot, _list, block) => {
      block.count();
    },
    flush({ counts, zeros }, list, block) {
      zeros[list]! += block.takeCounts(counts[list]!);
    },
    merge(into, later) {
      into.counts.forEach((counts, list) => {
        addCounts(counts, later.counts[list]!);
        into.zeros[list]! += later.zeros[list]!;
      });
    },
    close: ({ counts, zeros, count, context }) =>
      counts.map((own, list) =>
        request
          .sizes(list, count, { ...context, zeros: zeros[list]! })
          .map((size) => narrow(own, size)),
      ),
  });
}

function narrow(counts: Counts, size: number): Narrowed {
  if (size <= 0) return NOTHING;
  const { bin, rest } = findFromAbove(counts, size);
  return { key: leastKey(bin), cutoff: Infinity, rest };
}

interface LowSlot {
  readonly sets: readonly (readonly Narrowed[])[];
  readonly counts: readonly (readonly Counts[])[];
}

function lowPass<Name extends string, Prepared extends Selected<Name>>(
  name: Name,
  request: SelectionRequest<Prepared>,
): Pass<Prepared> {
  return slotPass<Name, Prepared, LowSlot>(name, request, {
    bytes: MOST_SETS * LOW_BYTES,
    open({ sets }) {
      const counts = sets.map((list) =>
        list.map(({ rest }) => (rest === undefined ? new Float64Array(0) : emptyLow())),
      );
      return { sets, counts };
    },
    add({ sets, counts }, list, block) {
      for (const [index, { key, rest }] of sets[list]!.entries()) {
        if (rest !== undefined) countLow(block, key, counts[list]![index]!);
      }
    },
    merge(into, later) {
      into.counts.forEach((list, at) => {
        list.forEach((counts, index) => {
          addCounts(counts, later.counts[at]![index]!);
        });
      });
    },
    close: ({ sets, counts }) =>
      sets.map((list, at) =>
        list.map((set, index): Narrowed => {
          if (set.rest === undefined) return set;
          const { bin, rest, count } = findFromAbove(counts[at]![index]!, set.rest);
          const key = set.key | bin;
          const all = request.exact !== true || rest === count;
          return all ? { key, cutoff: Infinity } : { key, cutoff: Infinity, rest };
        }),
      ),
  });
}

interface CutoffSlot {
  readonly sets: readonly (readonly Narrowed[])[];
  /** How many equal values came so far, and behind which index there were enough. */
  readonly seen: readonly (readonly { count: number; cutoff: number }[])[];
}

function cutoffPass<Name extends string, Prepared extends Selected<Name>>(
  name: Name,
  request: SelectionRequest<Prepared>,
): Pass<Prepared> {
  return slotPass<Name, Prepared, CutoffSlot>(name, request, {
    bytes: 0,
    open: ({ sets }) => ({
      sets,
      seen: sets.map((list) => list.map(() => ({ count: 0, cutoff: Infinity }))),
    }),
    add({ sets, seen }, list, block, index) {
      for (const [at, { key, rest }] of sets[list]!.entries()) {
        const own = seen[list]![at]!;
        if (rest === undefined || own.cutoff < Infinity) continue;
        const equal = block.find(key, key);
        const last = equal[rest - own.count - 1];
        if (last === undefined) own.count += equal.length;
        else own.cutoff = index + last + 1;
      }
    },
    close: ({ sets, seen }) =>
      sets.map((list, at) =>
        list.map(({ key, cutoff, rest }, index): Narrowed => ({
          key,
          cutoff: rest === undefined ? cutoff : seen[at]![index]!.cutoff,
        })),
      ),
  });
}
