/**
 * What a static merging method is: a record with everything the application says about it (form,
 * flags, documentation, law tests) and the arithmetic for the values of one tensor. Readers, memory
 * and progress are the executor's matter.
 */
import type { LawId } from './laws.ts';
import type { GivenParameters, ParameterTable, ParameterValues } from '../lib/parameters.ts';

/** The aligned values of one tensor in all models, finite, as fp32. */
export interface Group {
  readonly name: string;
  readonly base: Float32Array;
  /** In recipe order; at least one. */
  readonly experts: readonly Float32Array[];
}

/** All groups of a merge, to be read as often as a preparation needs. */
export interface GroupSource {
  readonly expertCount: number;
  /** Values of one model over all groups. */
  readonly valueCount: number;
  groups(): AsyncIterable<Group>;
}

export interface Paper {
  readonly title: string;
  readonly url: string;
}

export interface Method<Table extends ParameterTable = ParameterTable, Prepared = unknown> {
  readonly id: string;
  readonly title: string;
  readonly paper: Paper;
  /** Two plain sentences. */
  readonly summary: string;
  readonly formula: string;
  readonly parameters: Table;
  /** The laws it obeys, each with the parameter values it needs for that; the others may be any. */
  readonly laws: Readonly<Partial<Record<LawId, GivenParameters>>>;
  /** For a method that must see all tensors before it can merge one. */
  readonly preparation?: {
    /** How often `run` reads all groups. */
    passes(parameters: ParameterValues<Table>): number;
    /** The result is all that is kept: plain data, small next to a model. */
    run(source: GroupSource, parameters: ParameterValues<Table>): Promise<Prepared>;
  };
  /** The merged values; computed in fp64 and rounded to fp32 once. Does not change its inputs. */
  merge(group: Group, parameters: ParameterValues<Table>, prepared: Prepared): Float32Array;
}

/** Checks a record's types and lets `merge` see its own parameters and prepared data. */
export function defineMethod<const Table extends ParameterTable, Prepared = undefined>(
  method: Method<Table, Prepared>,
): Method<Table, Prepared> {
  return method;
}
