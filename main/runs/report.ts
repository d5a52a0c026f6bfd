/**
 * The report of a run: what every method reached on every task. It holds no times, durations or
 * absolute paths, so the same recipe on the same engine gives the same bytes.
 */
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';

const share = z.number().min(0).max(1);
const count = z.int().min(0);
const reduction = z.enum(['per-sample', 'batch-mean']);

const taskDetails = z.strictObject({
  id: z.string(),
  title: z.string(),
  classes: count,
  images: count,
  /** Whether the images were drawn by a program instead of collected. */
  synthetic: z.boolean(),
});

export const methodReportSchema = z.strictObject({
  id: z.string(),
  title: z.string(),
  average: share,
  /** Mean over the tasks of accuracy ÷ individual accuracy; null without individual models. */
  normalizedAverage: z.number().min(0).nullable(),
  /** By task id. */
  accuracy: z.record(z.string(), share),
  /** The method's name where the id is another. */
  method: z.string().optional(),
  parameters: z
    .record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.array(z.number())]))
    .optional(),
  /** How routing weights were reduced over a batch; dynamic methods only. */
  reduction: z.strictObject({ adaptation: reduction, evaluation: reduction }).optional(),
  trainableParameters: count.optional(),
  /** By task id, the accuracy of each class in the order of the task's classes. */
  perClass: z.record(z.string(), z.array(share.nullable())).optional(),
  /** By task id, counts [true class][predicted class]. */
  confusion: z.record(z.string(), z.array(z.array(count))).optional(),
});

export const reportSchema = z.strictObject({
  schema: z.literal(1),
  /** SHA-256 of the canonical recipe. */
  recipe: z.string(),
  seed: count,
  engine: z.strictObject({
    id: z.string(),
    title: z.string(),
    device: z.string(),
    precision: z.string(),
    threads: count,
  }),
  /** In words, which unlabelled images the adaptation saw. */
  adaptationData: z.string(),
  /** Task ids in recipe order. */
  tasks: z.array(z.string()),
  taskDetails: z.array(taskDetails),
  methods: z.array(methodReportSchema),
  /** The run folder; "." in the file itself. */
  run: z.string(),
  /** The exported model, relative to the run folder in the file itself; null when none was exported. */
  exported: z.string().nullable(),
});

export type Report = z.output<typeof reportSchema>;
export type MethodReport = z.output<typeof methodReportSchema>;

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
