/**
 * What a finished method leaves in the run folder: its report entry, learned values, routing weights
 * and predictions.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { methodReportSchema, type MethodReport } from '../api/report.ts';
import { openSafetensors } from '../checkpoints/safetensors.ts';
import { writeSafetensors, type TensorToWrite } from '../checkpoints/writer.ts';
import { writeFileDurably } from '../lib/durable.ts';
import type { Tensor } from '../lib/tensor.ts';

import type { RunFolder } from './run-folder.ts';

export interface MethodResult {
  readonly report: MethodReport;
  /** Learned values by trainable; empty for methods that learn nothing. */
  readonly values: ReadonlyMap<string, Tensor>;
  /** λ [images, layers, K] by task id; empty without routers. */
  readonly routing: ReadonlyMap<string, Tensor>;
  /** Predicted class of each image by task id; empty where nothing was evaluated. */
  readonly predictions: Predictions;
}

export type Predictions = ReadonlyMap<string, readonly number[]>;

const predictionsSchema = z.record(z.string(), z.array(z.int().min(0)));

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
    report: methodReportSchema.parse(JSON.parse(await readFile(at.report, 'utf8'))),
    values: await loadTensors(at.values),
    routing: await loadTensors(at.routing),
    predictions: await loadPredictions(at.predictions),
  };
}

/** One line for each task. */
function formatPredictions(predictions: Predictions): string {
  const lines = [...predictions].map(
    ([task, classes]) => `  ${JSON.stringify(task)}: ${JSON.stringify(classes)}`,
  );
  return `{\n${lines.join(',\n')}\n}\n`;
}

async function loadPredictions(path: string): Promise<Predictions> {
  if (!existsSync(path)) return new Map();
  const json: unknown = JSON.parse(await readFile(path, 'utf8'));
  return new Map(Object.entries(predictionsSchema.parse(json)));
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
