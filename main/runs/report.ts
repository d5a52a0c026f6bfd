/**
 * The report of a run: what every method reached on every task. It holds no times, durations or
 * absolute paths, so the same recipe on the same engine gives the same bytes.
 */
import { isAbsolute, join } from 'node:path';
import { reportSchema, type MethodReport, type Report } from '../api/report.ts';
import { AppError } from '../lib/errors.ts';
export type { MethodReport, Report } from '../api/report.ts';

/** The mean accuracy over `tasks`. */
export function averageAccuracy(
  accuracy: Readonly<Record<string, number>>,
  tasks: readonly string[],
): number {
  return mean(tasks.map((task) => valueOf(accuracy, task)));
}

/**
 * The mean over `tasks` of accuracy ÷ individual accuracy; null when an individual model is missing
 * or gets nothing right, as there is then nothing to compare with.
 */
export function normalizedAverage(
  accuracy: Readonly<Record<string, number>>,
  individual: Readonly<Record<string, number>> | undefined,
  tasks: readonly string[],
): number | null {
  if (individual === undefined) return null;
  const ratios: number[] = [];
  for (const task of tasks) {
    const reference = Object.hasOwn(individual, task) ? individual[task] : undefined;
    if (reference === undefined || reference === 0) return null;
    ratios.push(valueOf(accuracy, task) / reference);
  }
  return mean(ratios);
}

function mean(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no tasks to average over');
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function valueOf(accuracy: Readonly<Record<string, number>>, task: string): number {
  const value = Object.hasOwn(accuracy, task) ? accuracy[task] : undefined;
  if (value === undefined) throw new Error(`no accuracy for task ${task}`);
  return value;
}

/** False for the pre-trained and the individual models: what a merge is compared with. */
export function isMerged(method: MethodReport): boolean {
  const name = method.method ?? method.id;
  return name !== 'pretrained' && name !== 'individual';
}

/** True of what may be the best merge: one that has to be told an image's task is compared with, but does not win. */
export function competes(method: MethodReport): boolean {
  return isMerged(method) && method.taskKnown !== true;
}

/** The bytes of report.json: fixed key order, tasks in recipe order, two spaces, final newline. */
export function formatReport(report: Report): string {
  const byTask = <Value>(values: Readonly<Record<string, Value>>): Record<string, Value> =>
    Object.fromEntries(Object.entries(values).sort(([a], [b]) => order(a) - order(b)));
  const order = (task: string): number => report.tasks.indexOf(task);
  const methods = report.methods.map((method) => ({
    ...method,
    accuracy: byTask(method.accuracy),
    ...(method.parameters === undefined ? {} : { parameters: byName(method.parameters) }),
    ...(method.perClass === undefined ? {} : { perClass: byTask(method.perClass) }),
    ...(method.confusion === undefined ? {} : { confusion: byTask(method.confusion) }),
  }));
  // Parsing puts every object's keys into the order of the schema.
  return `${JSON.stringify(reportSchema.parse({ ...report, methods }), null, 2)}\n`;
}

function byName<Value>(values: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Reads report text; `file` is only used in messages. */
export function parseReport(text: string, file: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalidReport('the report is not JSON', file, cause);
  }
  const result = reportSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = issue === undefined ? '' : issue.path.join('.');
  throw invalidReport(
    `the report is wrong at "${key}": ${issue?.message ?? ''}`,
    file,
    result.error,
  );
}

function invalidReport(what: string, file: string, cause: unknown): AppError {
  return new AppError('report.invalid', {
    what,
    where: file,
    hint: 'run the recipe again, or open it with the version that wrote it',
    cause,
  });
}

/** The report with `run` and `exported` as paths that work from anywhere. */
export function locateReport(report: Report, runFolder: string): Report {
  const locate = (path: string): string => (isAbsolute(path) ? path : join(runFolder, path));
  return {
    ...report,
    run: locate(report.run),
    exported: report.exported === null ? null : locate(report.exported),
  };
}
