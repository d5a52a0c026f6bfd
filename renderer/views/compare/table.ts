/** The table of models × tasks: values, the best merge of each column, order, CSV. */
import { accuracyOn, competes, normalizedOn, type Model, type TaskInfo } from './models.ts';

export type Measure = 'accuracy' | 'normalized';

/** A task id, or one of the columns that are no task. */
export type Column =
  | { readonly kind: 'model' }
  | { readonly kind: 'task'; readonly task: string }
  | { readonly kind: 'average' }
  | { readonly kind: 'normalizedAverage' };

export interface Order {
  readonly column: Column;
  readonly descending: boolean;
}

/** Null where the model has no such value. */
export function valueIn(model: Model, column: Column, measure: Measure): number | null {
  switch (column.kind) {
    case 'model':
      return null;
    case 'average':
      return model.result.average;
    case 'normalizedAverage':
      return model.result.normalizedAverage;
    case 'task':
      return measure === 'accuracy'
        ? accuracyOn(model, column.task)
        : normalizedOn(model, column.task);
  }
}

/** Keys of the merges with the highest value; of several equal ones all, and none where there is only one merge. */
export function bestIn(models: readonly Model[], column: Column, measure: Measure): Set<string> {
  const merges = models.filter(competes);
  const best = new Set<string>();
  if (merges.length < 2) return best;
  let highest = -Infinity;
  for (const model of merges) {
    const value = valueIn(model, column, measure);
    if (value === null || value < highest) continue;
    if (value > highest) best.clear();
    highest = value;
    best.add(model.key);
  }
  return best;
}

/** Sorted copy; what has no value comes last whichever the direction. */
export function sortModels(
  models: readonly Model[],
  order: Order | null,
  measure: Measure,
  titles: ReadonlyMap<string, string>,
): Model[] {
  if (order === null) return [...models];
  const { column, descending } = order;
  const sign = descending ? -1 : 1;
  if (column.kind === 'model') {
    const title = (model: Model) => titles.get(model.key) ?? model.title;
    return [...models].sort((a, b) => sign * title(a).localeCompare(title(b)));
  }
  return [...models].sort((a, b) => {
    const left = valueIn(a, column, measure);
    const right = valueIn(b, column, measure);
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return sign * (left - right);
  });
}

/** RFC 4180 with all digits: one row for each model, accuracy and normalized accuracy of every task. */
export function comparisonCsv(models: readonly Model[], tasks: readonly TaskInfo[]): string {
  const header = [
    'run',
    'run_title',
    'method',
    'method_title',
    'average',
    'normalized_average',
    ...tasks.flatMap(({ id }) => [`accuracy_${id}`, `normalized_${id}`]),
  ];
  const rows = models.map((model) => [
    model.run,
    model.runTitle,
    model.method,
    model.title,
    model.result.average,
    model.result.normalizedAverage,
    ...tasks.flatMap(({ id }) => [accuracyOn(model, id), normalizedOn(model, id)]),
  ]);
  return [header, ...rows].map((row) => `${row.map(csvField).join(',')}\r\n`).join('');
}

function csvField(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  // A spreadsheet would compute a cell that begins like a formula, and titles are free text.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
