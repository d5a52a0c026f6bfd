/** Exports a method of a finished run. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Engine } from '../engine/engine.ts';
import { compileEncoder, evaluateTask } from '../evaluation/evaluate.ts';
import {
  exportModel,
  type ExportFormat,
  type ExportResult,
  type ExportStage,
} from '../exporting/export.ts';
import { foldStatic } from '../exporting/fold.ts';
import type { ExportSource } from '../exporting/source.ts';
import { imageBatch } from '../data/images.ts';
import { writing } from '../lib/durable-file.ts';
import { AppError } from '../lib/errors.ts';
import type { Tensor } from '../lib/tensor.ts';
import { staticModel, type MergedModel } from '../models/merged-model.ts';
import { meanRouting, summariseRouting } from '../routing/summary.ts';
import { usesImages } from './catalogue.ts';
import type { RunInputs } from './inputs.ts';
import { learnedIn, type MethodResult } from './method-result.ts';
import { seenTasks } from './protocol.ts';
import { formatRecipe, resolveRecipePaths, type Recipe } from './recipe.ts';
import { competes, isMerged, type Report } from './report.ts';
import { prepareMethod } from './prepare-method.ts';

export type ExportMode = 'dynamic' | 'static';

export interface ExportRequest {
  /** Id of a method of the run; when left out, the best merge that need not know the task. */
  readonly method?: string | undefined;
  readonly formats: readonly ExportFormat[];
  readonly mode: ExportMode;
  /** Folder to make; with several formats each gets a folder in it. */
  readonly target: string;
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Hears that the accuracy of a fold begins to be measured. */
  readonly onMeasure?: () => void;
  readonly onStage?: (format: ExportFormat, stage: ExportStage) => void;
}

/** What a run knows when something is exported from it. */
export interface FinishedRun {
  /** As written, and the folder its paths are relative to. */
  readonly recipe: Recipe;
  readonly recipeFolder: string;
  readonly inputs: RunInputs;
  readonly engine: Engine;
  readonly results: readonly MethodResult[];
  readonly report: Report;
}

export interface RunExport {
  readonly method: string;
  readonly mode: ExportMode;
  /** Measured accuracy of what was exported, by task id. */
  readonly accuracy: Readonly<Record<string, number>>;
  readonly results: readonly ExportResult[];
}

/** Images of the first task that exported and source model are compared on. */
const comparedImages = 8;

/** Throws `export.unknown_method` and what `exportModel` throws. */
export async function exportRun(run: FinishedRun, request: ExportRequest): Promise<RunExport> {
  const result = chooseResult(run, request.method);
  const { source, accuracy } = await describeExport(run, result, request);
  const first = run.inputs.tasks[0];
  const several = request.formats.length > 1;
  if (several) await writing(request.target, mkdir(request.target, { recursive: true }));
  const results: ExportResult[] = [];
  for (const format of request.formats) {
    const target = several ? join(request.target, format) : request.target;
    results.push(
      await exportModel(source, format, target, {
        engine: run.engine,
        ...(first === undefined
          ? {}
          : { images: await imageBatch(first.set.images, firstImages(first.set.labels.length)) }),
        overwrite: request.overwrite ?? false,
        signal: request.signal,
        onStage: (stage) => request.onStage?.(format, stage),
      }),
    );
  }
  return { method: result.report.id, mode: request.mode, accuracy, results };
}

function firstImages(count: number): number[] {
  return Array.from({ length: Math.min(comparedImages, count) }, (_, index) => index);
}

function chooseResult({ results }: FinishedRun, wanted: string | undefined): MethodResult {
  const merged = results.filter(({ report }) => isMerged(report));
  // One that must be told the task is exported only where it is asked for.
  const free = merged.filter(({ report }) => competes(report));
  const found =
    wanted === undefined
      ? free.reduce<MethodResult | undefined>(
          (best, each) =>
            best === undefined || each.report.average > best.report.average ? each : best,
          undefined,
        )
      : merged.find(({ report }) => report.id === wanted);
  if (found !== undefined) return found;
  throw new AppError('export.unknown_method', {
    what:
      wanted === undefined ? 'the run holds no merged model' : `the run holds no merge "${wanted}"`,
    hint: `choose one of: ${merged.map(({ report }) => report.id).join(', ')}`,
  });
}

async function describeExport(
  run: FinishedRun,
  result: MethodResult,
  { mode, signal, onMeasure }: ExportRequest,
): Promise<{ source: ExportSource; accuracy: Readonly<Record<string, number>> }> {
  const { recipe, inputs, engine, report } = run;
  const { id } = result.report;
  const entry = recipe.methods.find((method) => method.id === id);
  const resolved = resolveRecipePaths(recipe, run.recipeFolder);
  const learned = learnedIn(run.results);
  const prepared =
    entry && (await prepareMethod(entry, { recipe: resolved, inputs, engine, signal, learned }));
  if (prepared === undefined) throw new Error(`method ${id} has no model to export`);

  const { trainables, form, byTask } = prepared.model;
  // With modules for tasks there is one set of weights already.
  const one = byTask !== undefined || (trainables.length === 0 && form === undefined);
  const folding = mode === 'static' && !one;
  const means = folding && result.routing.size > 0 ? averageRouting(result) : undefined;
  const model: MergedModel = folding
    ? staticModel(await foldStatic(prepared.model, result.values, means))
    : prepared.model;
  const values: ReadonlyMap<string, Tensor> = folding ? new Map() : result.values;
  if (folding) onMeasure?.();
  const accuracy = folding ? await measure(run, model, signal) : result.report.accuracy;
  const individual = report.methods.find((m) => (m.method ?? m.id) === 'individual');
  const reduction = result.report.reduction?.evaluation;
  const text = formatRecipe(recipe);
  return {
    accuracy,
    source: {
      title: `${recipe.name}: ${result.report.title}`,
      model,
      values,
      base: { name: basename(recipe.base), ...sha256(inputs, 'base') },
      experts: seenTasks(recipe).map((task) => ({ name: task.id, ...sha256(inputs, `expert/${task.id}`) })),
      tasks: inputs.tasks.map(({ id: task, head, set }) => ({
        head,
        title: set.title,
        classNames: set.classNames,
        images: set.labels.length,
        synthetic: set.synthetic,
        ...(accuracy[task] === undefined ? {} : { accuracy: accuracy[task] }),
        ...(individual?.accuracy[task] === undefined
          ? {}
          : { individualAccuracy: individual.accuracy[task] }),
      })),
      method: {
        id: prepared.entry.method,
        title: result.report.title,
        parameters: prepared.parameters,
      },
      normalisation: inputs.normalisation,
      recipe: { text, sha256: createHash('sha256').update(text).digest('hex') },
      ...(usesImages(prepared.entry) ? { adaptationData: report.adaptationData } : {}),
      ...(reduction === undefined || folding ? {} : { measuredWith: reduction }),
      ...(means === undefined ? {} : { averagedOver: 'the test images of all tasks, equally' }),
    },
  };
}

function averageRouting({ routing }: MethodResult): number[][] {
  return meanRouting(summariseRouting(routing));
}

function sha256({ fingerprints }: RunInputs, name: string): { sha256?: string } {
  const hash = fingerprints.get(name);
  return hash === undefined ? {} : { sha256: hash };
}

/** Accuracy of a folded model, which is another than that of the dynamic one. */
async function measure(
  { inputs, engine, recipe }: FinishedRun,
  model: MergedModel,
  signal: AbortSignal | undefined,
): Promise<Record<string, number>> {
  const { batch } = recipe.evaluation;
  const encoder = await compileEncoder(engine, model, new Map(), {
    batch,
    reduction: 'per-sample',
  });
  try {
    const accuracy: Record<string, number> = {};
    for (const { id, set, head } of inputs.tasks) {
      accuracy[id] = (await evaluateTask(encoder, set, head, { batch, signal })).accuracy;
    }
    return accuracy;
  } finally {
    await encoder.dispose();
  }
}
