/** The table of a run: methods by tasks, as far as they are known. */
import type { MethodReport } from '../../../main/api/report.ts';

export interface ResultRow {
  readonly id: string;
  readonly title: string;
  /** What merges are compared with, rather than a merge. */
  readonly reference: boolean;
  /** By task; missing where it is not measured yet. */
  readonly accuracy: Readonly<Record<string, number | undefined>>;
  readonly average: number | undefined;
  readonly normalized: number | undefined;
}

const references = new Set(['pretrained', 'individual']);

/** Rows of a finished run's report. */
export function rowsOfReport(methods: readonly MethodReport[]): ResultRow[] {
  return methods.map((method) => ({
    id: method.id,
    title: method.title,
    reference: references.has(method.method ?? method.id),
    accuracy: method.accuracy,
    average: method.average,
    normalized: method.normalizedAverage ?? undefined,
  }));
}

/** Rows of a run that is going on: averages appear when all tasks of a method are measured. */
export function rowsSoFar(
  methods: readonly { readonly id: string; readonly title: string }[],
  accuracy: Readonly<Record<string, Readonly<Record<string, number>>>>,
  tasks: readonly string[],
): ResultRow[] {
  return methods.map(({ id, title }) => {
    const own = accuracy[id] ?? {};
    const values = tasks.flatMap((task) => own[task] ?? []);
    const complete = values.length === tasks.length && values.length > 0;
    return {
      id,
      title,
      reference: references.has(id),
      accuracy: own,
      average: complete ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined,
      normalized: undefined,
    };
  });
}

/** The best value of each column among merges; references do not compete. */
export function bestOf(
  rows: readonly ResultRow[],
  of: (row: ResultRow) => number | undefined,
): number | undefined {
  const values = rows.filter((row) => !row.reference).flatMap((row) => of(row) ?? []);
  return values.length < 2 ? undefined : Math.max(...values);
}
