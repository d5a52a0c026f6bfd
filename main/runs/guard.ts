/** Watches an adaptation for collapse (adaptation/class-usage.ts) and does what its method's `guard` says. */
import { z } from 'zod';
import type { AdaptationState } from '../adaptation/adapt.ts';
import type { AdaptationSettings } from '../adaptation/method.ts';
import type { StepCriterion } from '../adaptation/step-criterion.ts';
import { collapseSchema, type Collapse } from '../api/report.ts';
import type { BestStep, BestStepState } from './best-step.ts';

export const collapsesSchema = z.array(collapseSchema);

/** β of a task that is protected: its loss is then minus the mutual information of image and class. */
const protectingDiversity = 1;

export class CollapseGuard {
  readonly #tasks: readonly string[];
  readonly #settings: Pick<AdaptationSettings, 'guard' | 'diversity'>;
  readonly #collapses: Collapse[];

  /** For tasks with these ids; `collapses` were found before an interruption. */
  constructor(
    tasks: readonly string[],
    settings: Pick<AdaptationSettings, 'guard' | 'diversity'>,
    collapses: readonly Collapse[] = [],
  ) {
    this.#tasks = tasks;
    this.#settings = settings;
    this.#collapses = [...collapses];
  }

  /** Found so far, in order. */
  get collapses(): readonly Collapse[] {
    return this.#collapses;
  }

  /**
   * Looks at the step that `state` is after. Protecting changes the state: it goes back to the best step and has a β
   * for the tasks that collapsed. What is returned is new; where one of it says `stopped`, the adaptation is to end.
   */
  act(state: AdaptationState, criterion: StepCriterion, best: BestStep | undefined): Collapse[] {
    const { guard } = this.#settings;
    if (guard === 'off') return [];
    const known = new Set(this.#collapses.map(({ task }) => task));
    const found = criterion.usage.collapsed.filter(
      ({ task }) => guard !== 'warn' || !known.has(this.#tasks[task] ?? ''),
    );
    if (found.length === 0) return [];
    const kept = best?.state;
    const action = kept === undefined ? 'none' : this.#action(state, found, guard);
    const fresh = found.map(({ task, usage, peak }): Collapse => ({
      task: this.#tasks[task] ?? '',
      step: state.step,
      usage,
      peak,
      action,
      ...(kept === undefined || action === 'none' ? {} : { keptStep: kept.step }),
    }));
    this.#collapses.push(...fresh);
    if (kept !== undefined && action === 'protected') {
      goBack(state, kept, criterion);
      for (const { task } of found) state.diversity.set(task, protectingDiversity);
    }
    return fresh;
  }

  #action(
    { diversity }: AdaptationState,
    found: readonly { readonly task: number }[],
    guard: 'warn' | 'stop' | 'protect',
  ): Collapse['action'] {
    if (guard === 'warn') return 'none';
    const helpless =
      this.#settings.diversity >= protectingDiversity ||
      found.some(({ task }) => diversity.has(task));
    return guard === 'stop' || helpless ? 'stopped' : 'protected';
  }
}

/** Puts the parameters of the best step in place, and what an adaptation needs to go on from there. */
export function goBack(
  state: AdaptationState,
  { values, onward }: BestStepState,
  criterion?: StepCriterion,
): void {
  for (const [name, { data }] of state.values) data.set(values.get(name)?.data ?? data);
  if (onward === undefined) return;
  for (const [name, data] of state.adam.first) data.set(onward.adam.first.get(name) ?? data);
  for (const [name, data] of state.adam.second) data.set(onward.adam.second.get(name) ?? data);
  criterion?.restore(onward.criterion);
}
