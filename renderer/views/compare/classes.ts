/** Where two models differ, class by class. */
import type { Model } from './models.ts';

export interface ClassDifference {
  readonly index: number;
  readonly title: string;
  readonly a: number;
  readonly b: number;
  /** a − b. */
  readonly difference: number;
  /** Test images of this class; null where the report does not count them. */
  readonly images: number | null;
  /** Images right with a and with b, where they are counted. */
  readonly right: { readonly a: number; readonly b: number } | null;
}

/**
 * The classes of a task from where `a` gains most to where it loses most. Empty where a report has no
 * accuracies by class, or the two were measured on different classes.
 */
export function classDifferences(
  a: Model,
  b: Model,
  task: string,
  classNames: readonly string[] | null,
): ClassDifference[] {
  const left = a.result.perClass?.[task];
  const right = b.result.perClass?.[task];
  if (left === undefined || left.length !== right?.length) return [];
  const rows = left.flatMap((valueA, index) => {
    const valueB = right[index] ?? null;
    if (valueA === null || valueB === null) return [];
    const images = imagesOf(a, task, index);
    const same = images !== null && images === imagesOf(b, task, index);
    return [
      {
        index,
        title: classNames?.[index] ?? `class ${index}`,
        a: valueA,
        b: valueB,
        difference: valueA - valueB,
        images,
        right: same ? { a: Math.round(valueA * images), b: Math.round(valueB * images) } : null,
      },
    ];
  });
  return rows.sort((x, y) => y.difference - x.difference || x.index - y.index);
}

function imagesOf(model: Model, task: string, index: number): number | null {
  const row = model.result.confusion?.[task]?.[index];
  return row === undefined ? null : row.reduce((sum, count) => sum + count, 0);
}

export interface DifferenceSummary {
  readonly better: number;
  readonly worse: number;
  readonly equal: number;
  /** For the length of the bars. */
  readonly largest: number;
}

export function summariseDifferences(rows: readonly ClassDifference[]): DifferenceSummary {
  return {
    better: rows.filter(({ difference }) => difference > 0).length,
    worse: rows.filter(({ difference }) => difference < 0).length,
    equal: rows.filter(({ difference }) => difference === 0).length,
    largest: Math.max(0, ...rows.map(({ difference }) => Math.abs(difference))),
  };
}

/**
 * The rows to show before "show all": the largest gains and the largest losses, without what does
 * not differ.
 */
export function notableDifferences(
  rows: readonly ClassDifference[],
  atEachEnd: number,
): ClassDifference[] {
  const gains = rows.filter(({ difference }) => difference > 0).slice(0, atEachEnd);
  const losses = rows.filter(({ difference }) => difference < 0).slice(-atEachEnd);
  return [...gains, ...losses];
}
