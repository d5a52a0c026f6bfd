/** The answer to "how close does the merge come to every individual model?" in a sentence. */
import { normalizedOn, type Model, type TaskInfo } from './models.ts';

export interface Headline {
  readonly model: Model;
  /** Mean of the normalized accuracies. */
  readonly kept: number;
  readonly strongest: { readonly task: TaskInfo; readonly kept: number } | null;
  readonly weakest: { readonly task: TaskInfo; readonly kept: number } | null;
  /** Tasks on which the merge is at least as good as the individual model. */
  readonly reached: number;
  readonly tasks: number;
}

/** Null where the run has no individual models to compare with. */
export function headline(model: Model, tasks: readonly TaskInfo[]): Headline | null {
  const kept = model.result.normalizedAverage;
  if (kept === null) return null;
  const measured = tasks.flatMap((task) => {
    const value = normalizedOn(model, task.id);
    return value === null ? [] : [{ task, kept: value }];
  });
  const ordered = [...measured].sort((a, b) => a.kept - b.kept);
  return {
    model,
    kept,
    strongest: ordered.length > 1 ? (ordered.at(-1) ?? null) : null,
    weakest: ordered.length > 1 ? (ordered[0] ?? null) : null,
    reached: measured.filter((entry) => entry.kept >= 1).length,
    tasks: measured.length,
  };
}
