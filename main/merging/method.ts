/**
 * What a static merging method is: a record with everything the application says about it (form,
 * flags, documentation, law tests) and the arithmetic for the values of one tensor. Readers, types on
 * disk, threads, memory and progress are the executor's matter.
 */
import type { LawId } from './laws.ts';
import type { LinearAlgebra } from './linear-algebra.ts';
import type { GivenParameters, ParameterTable, ParameterValues } from '../lib/parameters.ts';

/** The aligned values of one tensor, or of a piece of it, in all models; finite, as fp32. */
export interface Group {
  readonly name: string;
  /** Of the whole tensor, also where this is a piece. */
  readonly shape: readonly number[];
  /** Where the piece begins in the tensor, in values, row-major; 0 for a whole tensor. */
  readonly offset: number;
  /** All zeros where the merge has no base model, so that a task vector is the expert itself. */
  readonly base: Float32Array;
  /** In recipe order; at least one. */
  readonly experts: readonly Float32Array[];
}

/** What `merge` and the passes are given beside the values and the parameters. */
export interface MergeContext<
  PerExpert extends ParameterTable = ParameterTable,
  Prepared = unknown,
> {
  /** The per-expert parameters, in the order of the experts. */
  readonly settings: readonly ParameterValues<PerExpert>[];
  /** What the passes found; `undefined` for a method without any. */
  readonly prepared: Prepared;
  /** Of the recipe. Random methods draw by (seed, tensor name, expert, index in the tensor) alone. */
  readonly seed: number;
  readonly linear: LinearAlgebra;
}

/** What is known of a merge before the first value is read. */
export interface MergeTotals {
  readonly expertCount: number;
  /** Values of one model over all tensors. */
  readonly valueCount: number;
}

/**
 * One pass over all tensors before any is merged. The executor runs `add` over the pieces of a tensor
 * in order, with a tally for each tensor, and `combine` over the tensors in order, so that sums of
 * fractions do not depend on threads. Where tallies are counts, which are exact in any order, a tally
 * may take any tensors. The context holds the settings of the group's tensor.
 */
export interface Pass<Prepared = unknown, Tally = unknown> {
  readonly orderFree?: boolean;
  /** What a tally takes at most, where that is not little. */
  tallyBytes?(totals: MergeTotals): number;
  /** Where what the passes before have found says so, the pass is left out. */
  needless?(prepared: Prepared): boolean;
  /** An empty tally: plain data and typed arrays, for it travels between threads. */
  begin(totals: MergeTotals, prepared?: Prepared): Tally;
  add(
    tally: Tally,
    group: Group,
    parameters: ParameterValues,
    context: MergeContext<ParameterTable, Prepared>,
  ): void;
  /** Adds the tally of a later tensor to `into`. */
  combine(into: Tally, later: Tally): void;
  /** What the next passes and `merge` get as `prepared`; small next to a model. */
  finish(tally: Tally, prepared: Prepared | undefined, totals: MergeTotals): Prepared;
}

export interface Paper {
  readonly title: string;
  readonly url: string;
}

/** The headings under which forms and documentation group the methods. */
export const families = {
  averaging: 'Averaging',
  task_vectors: 'Task vectors',
  sparse: 'Sparsified task vectors',
  geometric: 'Geometric interpolation',
  spectral: 'Singular vectors',
  optimised: 'Optimised without data',
  masks: 'Masks per task',
  assembly: 'Assembly',
} as const;

export type FamilyId = keyof typeof families;

/** Implementations that people know results of. */
export const variants = {
  mergekit: 'mergekit',
  peft: 'PEFT',
  fusion_bench: 'FusionBench',
  authors: "the authors' code",
  paper: 'the paper',
} as const;

export type VariantId = keyof typeof variants;

/** Weights of the experts, in their order, and what their sum is divided by. */
export interface Combination {
  readonly weights: readonly number[];
  readonly divisor: number;
}

export interface Method<
  Table extends ParameterTable = ParameterTable,
  PerExpert extends ParameterTable = ParameterTable,
  Prepared = unknown,
> {
  readonly id: string;
  readonly title: string;
  readonly family: FamilyId;
  readonly paper: Paper;
  /** Two plain sentences. */
  readonly summary: string;
  readonly formula: string;
  /** Whose rules the defaults follow where implementations differ; "the paper" where not given. */
  readonly follows?: string;
  /** What to set for the rules of another implementation. */
  readonly variants?: Readonly<Partial<Record<VariantId, GivenParameters>>>;
  readonly inputs: {
    /** `unused`: the base has no influence. `optional`: without one it counts as zero. */
    readonly base: 'required' | 'optional' | 'unused';
    readonly experts: { readonly min: number; readonly max?: number };
  };
  /** One value for the whole merge. */
  readonly parameters: Table;
  /** One value for each expert; a single value given stands for all of them. */
  readonly perExpert: PerExpert;
  /** The laws it obeys, each with the parameter values it needs for that; the others may be any. */
  readonly laws: Readonly<Partial<Record<LawId, GivenParameters>>>;
  /**
   * The smallest part of a tensor that can be merged on its own: any run of values, whole rows (of the
   * last dimension), or only the whole tensor.
   */
  readonly unit: 'value' | 'row' | 'tensor';
  /** What must be known of all tensors before one can be merged, for these values. */
  passes?(
    parameters: ParameterValues<Table>,
    settings: readonly ParameterValues<PerExpert>[],
  ): readonly Pass<Prepared>[];
  /**
   * Where `merge` gives (Σ wk θk) / d, products added up from zero in the order of the experts: an executor
   * may then compute it in another way, to the same bits. Undefined where these parameters do not.
   */
  combination?(
    parameters: ParameterValues<Table>,
    settings: readonly ParameterValues<PerExpert>[],
  ): Combination | undefined;
  /** The merged values; computed in fp64 and rounded to fp32 once. Does not change its inputs. */
  merge(
    group: Group,
    parameters: ParameterValues<Table>,
    context: MergeContext<PerExpert, Prepared>,
  ): Float32Array | Promise<Float32Array>;
}

/** Checks a record's types and lets `merge` see its own parameters and prepared data. */
export function defineMethod<
  const Table extends ParameterTable,
  const PerExpert extends ParameterTable,
  Prepared = undefined,
>(method: Method<Table, PerExpert, Prepared>): Method<Table, PerExpert, Prepared> {
  return method;
}

/** Lets a pass have a tally of its own type. */
export function definePass<Prepared, Tally>(pass: Pass<Prepared, Tally>): Pass<Prepared> {
  return pass;
}
