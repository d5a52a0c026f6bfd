/** The models of finished runs that can stand beside each other, and which of them to show first. */
import type { MethodReport, Report } from '../../../main/api/report.ts';
import type { RunCard } from '../../../main/api/runs.ts';

/** What a merge is compared with, or a merge. */
export type ModelKind = 'individual' | 'pretrained' | 'merge';

export interface Model {
  /** Unique over all runs. */
  readonly key: string;
  readonly run: string;
  readonly runTitle: string;
  readonly method: string;
  readonly title: string;
  readonly kind: ModelKind;
  readonly result: MethodReport;
  readonly report: Report;
  /** Accuracies of the individual models of the same run: the same data, so the only honest denominator. */
  readonly individual: Readonly<Record<string, number>> | null;
}

export interface FinishedRun {
  readonly card: RunCard;
  readonly report: Report;
}

/** The method behind a result, whatever its id is. */
export function methodName(result: MethodReport): string {
  return result.method ?? result.id;
}

export function modelKey(run: string, method: string): string {
  return `${run}/${method}`;
}

/** Models of one run in the order of its report. */
export function modelsOf({ card, report }: FinishedRun): Model[] {
  const individual = report.methods.find((result) => methodName(result) === 'individual');
  return report.methods.map((result) => {
    const name = methodName(result);
    return {
      key: modelKey(card.id, result.id),
      run: card.id,
      runTitle: card.title,
      method: result.id,
      title: result.title,
      kind: name === 'individual' || name === 'pretrained' ? name : 'merge',
      result,
      report,
      individual: individual?.accuracy ?? null,
    };
  });
}

/** A merge that may be the best one: those that have to be told an image's task are no rivals to the others. */
export function competes({ kind, result }: Model): boolean {
  return kind === 'merge' && result.taskKnown !== true;
}

/** The merge with the highest average among those `accept` takes; the first one of equals. */
export function bestMerge(
  models: readonly Model[],
  accept: (model: Model) => boolean = () => true,
): Model | undefined {
  let best: Model | undefined;
  for (const model of models) {
    if (!competes(model) || !accept(model)) continue;
    if (best === undefined || model.result.average > best.result.average) best = model;
  }
  return best;
}

/**
 * What the view opens with: the individual models, task arithmetic as the usual baseline, the best
 * AdaMerging and the best WEMoE; filled up with the next best merges where a run has other methods.
 */
export function defaultChoice(models: readonly Model[]): string[] {
  const wanted = 4;
  const named = (name: string) => bestMerge(models, (model) => methodName(model.result) === name);
  const chosen = new Set<Model>();
  const individual = models.find((model) => model.kind === 'individual');
  if (individual !== undefined) chosen.add(individual);
  for (const name of ['task_arithmetic', 'adamerging', 'wemoe']) {
    const model = named(name);
    if (model !== undefined) chosen.add(model);
  }
  while (chosen.size < wanted) {
    const next = bestMerge(models, (model) => !chosen.has(model));
    if (next === undefined) break;
    chosen.add(next);
  }
  return models.filter((model) => chosen.has(model)).map((model) => model.key);
}

/** Accuracy on a task; null where the model was not measured on it. */
export function accuracyOn(model: Model, task: string): number | null {
  return Object.hasOwn(model.result.accuracy, task) ? (model.result.accuracy[task] ?? null) : null;
}

/** Accuracy ÷ that of the individual model on the same data; null where there is nothing to divide by. */
export function normalizedOn(model: Model, task: string): number | null {
  const accuracy = accuracyOn(model, task);
  if (accuracy === null || model.individual === null) return null;
  const reference = Object.hasOwn(model.individual, task) ? model.individual[task] : undefined;
  return reference === undefined || reference === 0 ? null : accuracy / reference;
}

export interface TaskInfo {
  readonly id: string;
  readonly title: string;
  readonly classes: number;
  readonly synthetic: boolean;
  /** Whether some run only measured it, so that no method of that run saw it. */
  readonly unseen: boolean;
  /** Numbers of test images, more than one where runs were measured on different data. */
  readonly images: readonly number[];
}

/** The tasks of the models, each once, in the order of the reports. */
export function tasksOf(models: readonly Model[]): TaskInfo[] {
  const tasks = new Map<string, TaskInfo>();
  for (const report of new Set(models.map((model) => model.report))) {
    for (const { id, title, classes, synthetic, images, ...task } of report.taskDetails) {
      const known = tasks.get(id);
      const counts = new Set([...(known?.images ?? []), images]);
      tasks.set(id, {
        ...(known ?? { id, title, classes, synthetic }),
        unseen: task.unseen === true || known?.unseen === true,
        images: [...counts].sort((a, b) => a - b),
      });
    }
  }
  return [...tasks.values()];
}

/** A title for each model that tells it from the others; the run's id is added where there are several runs. */
export function distinctTitles(models: readonly Model[]): Map<string, string> {
  const several = new Set(models.map((model) => model.run)).size > 1;
  return new Map(models.map(({ key, title, run }) => [key, several ? `${title} · ${run}` : title]));
}
