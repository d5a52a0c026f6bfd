/**
 * What a merge by statistics of data is: one weight set, weighed by what unlabelled images of its task
 * do in every expert. Nothing is learned by descent, and there is no place for a label.
 */
import type { ImageSet } from '../../data/images.ts';
import type { Engine } from '../../engine/engine.ts';
import type { ParameterTable, ParameterValues } from '../../lib/parameters.ts';
import type { TensorMap } from '../../lib/tensor.ts';
import type { Head } from '../../models/head.ts';
import type { ExpertSet } from '../dictionary.ts';

/** The images of one expert's task and its frozen head. */
export interface StatisticsTask {
  readonly images: ImageSet;
  readonly head: Head;
  /** Never there, so that a labelled set with a head added does not pass for a task. */
  readonly labels?: never;
}

export interface StatisticsContext {
  readonly engine: Engine;
  readonly set: ExpertSet;
  /** One for each expert, in their order. */
  readonly tasks: readonly StatisticsTask[];
  readonly seed: number;
  readonly signal: AbortSignal | undefined;
  /** Images looked at so far, and in all. */
  onProgress(done: number, total: number): void;
}

export interface StatisticsMethod<Table extends ParameterTable = ParameterTable> {
  readonly id: string;
  readonly title: string;
  readonly paper: { readonly title: string; readonly url: string };
  /** Two plain sentences. */
  readonly summary: string;
  readonly formula: string;
  readonly parameters: Table;
  /** The merged weights. Throws CancelledError. */
  merge(parameters: ParameterValues<Table>, context: StatisticsContext): Promise<TensorMap>;
}

export function defineStatisticsMethod<const Table extends ParameterTable>(
  method: StatisticsMethod<Table>,
): StatisticsMethod<Table> {
  return method;
}

/** How many images of each task are looked at. */
export const imageCount = {
  kind: 'integer',
  title: 'Images per task',
  range: { min: 1, max: 1_000_000 },
} as const;
