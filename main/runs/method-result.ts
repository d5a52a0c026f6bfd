/**
 * What a finished method leaves in the run folder: its report entry, learned values, routing weights
 * and predictions.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { methodReportSchema, type MethodReport } from '../api/report.ts';
import { openSafetensors } from '../checkpoints/safetensors.ts';
import { writeSafetensors, type TensorToWrite } from '../checkpoints/writer.ts';
import { writeFileDurably } from '../lib/durable.ts';
import type { Tensor } from '../lib/tensor.ts';
import { readTextFile } from '../lib/text-file.ts';
import type { Learned } from './prepare-method.ts';
import type { RunFolder } from './run-folder.ts';

export interface MethodResult {
  readonly report: MethodReport;
  /** Learned values by trainable; empty for methods that learn nothing. */
  readonly values: ReadonlyMap<string, Tensor>;
  /** λ [images, layers, K] by task id; empty without routers. */
  readonly routing: ReadonlyMap<string, Tensor>;
  /** By task id; empty where nothing was evaluated. */
  readonly predictions: ReadonlyMap<string, TaskPredictions>;
}

/** What a model says about every image of a task. */
export interface TaskPredictions {
  /** Class of each image. */
  readonly predicted: readonly number[];
  /** Softmax probability of that class, to four decimals; null in runs of earlier versions. */
  readonly confidence: readonly number[] | null;
}

const classes = z.array(z.int().min(0));
const predictionsSchema = z.strictObject({
  schema: z.literal(2),
  tasks: z.record(
    z.string(),
    z.strictObject({ predicted: classes, confidence: z.array(z.number().min(0).max(1)) }),
  ),
});
/** Before schema 2 there were only the classes, by task. */
const formerPredictionsSchema = z.record(z.string(), classes);

function paths(run: RunFolder, method: string) {
  const folder = run.methodsFolder;
  return {
    folder,
    report: join(folder, `${method}.json`),
    values: join(folder, `${method}.safetensors`),
    routing: join(folder, `${method}.routing.safetensors`),
    predictions: join(run.predictionsFolder, `${method}.json`),
  };
}

/** Saves a result; the report is written last, so a method counts as finished only when all is there. */
export async function saveMethodResult(run: RunFolder, result: MethodResult): Promise<void> {
  const at = paths(run, result.report.id);
  await mkdir(at.folder, { recursive: true });
  await saveTensors(at.values, result.values);
  await saveTensors(at.routing, result.routing);
  await mkdir(run.predictionsFolder, { recursive: true });
  await writeFileDurably(at.predictions, formatPredictions(result.predictions));
  await writeFileDurably(at.report, `${JSON.stringify(result.report, null, 2)}\n`);
}

/** The saved result of a method, or undefined when it has not finished. */
export async function loadMethodResult(
  run: RunFolder,
  method: string,
): Promise<MethodResult | undefined> {
  const at = paths(run, method);
  if (!existsSync(at.report)) return undefined;
  return {
    report: methodReportSchema.parse(JSON.parse(await readTextFile(at.report))),
    values: await loadTensors(at.values),
    routing: await loadTensors(at.routing),
    predictions: await loadPredictions(run, method),
  };
}

/** Two lines for each task. */
function formatPredictions(predictions: MethodResult['predictions']): string {
  const tasks = [...predictions].map(([task, { predicted, confidence }]) => {
    const rounded = (confidence ?? []).map((share) => Math.round(1e4 * share) / 1e4);
    return `    ${JSON.stringify(task)}: {\n      "predicted": ${JSON.stringify(predicted)},\n      "confidence": ${JSON.stringify(rounded)}\n    }`;
  });
  return `{\n  "schema": 2,\n  "tasks": {\n${tasks.join(',\n')}\n  }\n}\n`;
}

/** The saved predictions of a method by task id; empty when there are none. */
export async function loadPredictions(
  run: RunFolder,
  method: string,
): Promise<MethodResult['predictions']> {
  const path = paths(run, method).predictions;
  if (!existsSync(path)) return new Map();
  const json: unknown = JSON.parse(await readTextFile(path));
  const present = predictionsSchema.safeParse(json);
  if (present.success) return new Map(Object.entries(present.data.tasks));
  const former = Object.entries(formerPredictionsSchema.parse(json));
  return new Map(former.map(([task, predicted]) => [task, { predicted, confidence: null }]));
}

/** Where the learned values of finished methods are looked up, by id. */
export function learnedIn(results: readonly MethodResult[]): Learned {
  return (id) => {
    const found = results.find(({ report }) => report.id === id);
    if (found === undefined) throw new Error(`method ${id} has not run`);
    return found.values;
  };
}

/** All routing weights of a run in one file: `<method>/<task>` [images, layers, K]. */
export async function saveRunRouting(
  run: RunFolder,
  results: readonly MethodResult[],
): Promise<void> {
  const all = results.flatMap(({ report, routing }) =>
    [...routing].map(([task, tensor]) => [`${report.id}/${task}`, tensor] as const),
  );
  await saveTensors(run.routingPath, new Map(all));
}

async function saveTensors(path: string, tensors: ReadonlyMap<string, Tensor>): Promise<void> {
  if (tensors.size === 0) return;
  const list: TensorToWrite[] = [...tensors].map(([name, { shape, data }]) => ({
    name,
    dtype: 'F32',
    shape,
    data,
  }));
  await writeSafetensors(path, list, new Map());
}

/** λ [images, layers, K] of a method by task id; empty without routers. */
export function loadRouting(run: RunFolder, method: string): Promise<Map<string, Tensor>> {
  return loadTensors(paths(run, method).routing);
}

async function loadTensors(path: string): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  if (!existsSync(path)) return tensors;
  const file = await openSafetensors(path);
  try {
    for (const name of file.tensors.keys()) tensors.set(name, await file.read(name));
  } finally {
    await file.close();
  }
  return tensors;
}
