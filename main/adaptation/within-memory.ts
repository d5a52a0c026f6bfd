/** Adaptation on a device whose memory may be too small for the tasks that were to share a call. */
import type { Engine } from '../engine/engine.ts';
import { AppError } from '../lib/errors.ts';
import type { MergedModel } from '../models/merged-model.ts';
import {
  adapt,
  type AdaptationOptions,
  type AdaptationState,
  type AdaptationTask,
  type StepReport,
} from './adapt.ts';

/** From a step on, fewer tasks share a call of the engine. */
export interface SmallerCalls {
  readonly step: number;
  readonly from: number;
  readonly to: number;
}

/**
 * As `adapt`; when the engine runs out of memory, the step is taken again with half the tasks in a call, and `onSmaller`
 * hears of it. The loss is a sum over tasks, so the mathematics stays the same and only the order of summation
 * changes. Not so where images of all tasks are mixed, as those of a call may share weights: then, and when one task
 * alone is too much, it throws `engine.out_of_memory`.
 */
export async function* adaptWithinMemory(
  engine: Engine,
  model: MergedModel,
  tasks: readonly AdaptationTask[],
  state: AdaptationState,
  options: AdaptationOptions & {
    readonly onSmaller: (change: SmallerCalls) => Promise<void>;
  },
  signal?: AbortSignal,
): AsyncGenerator<StepReport> {
  let tasksPerCall = Math.min(options.tasksPerCall, tasks.length);
  for (;;) {
    try {
      yield* adapt(engine, model, tasks, state, { ...options, tasksPerCall }, signal);
      return;
    } catch (error) {
      const full = error instanceof AppError && error.code === 'engine.out_of_memory';
      if (!full || tasksPerCall === 1 || options.mixed === true) throw error;
      const to = Math.ceil(tasksPerCall / 2);
      // `adapt` changes its state only after the last call of a step.
      await options.onSmaller({ step: state.step + 1, from: tasksPerCall, to });
      tasksPerCall = to;
    }
  }
}
