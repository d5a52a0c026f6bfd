/** Runs a recipe from beginning to end inside its run folder; may be interrupted and continued. */
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import type { Engine } from '../engine/engine.ts';
import type { ChosenEngine } from '../engine/choice.ts';
import { AppError, CancelledError } from '../lib/errors.ts';
import { sweepStaleTemporaries, writeFileDurably } from '../lib/durable.ts';
import type { Adaptations } from './adaptations.ts';
import type { RunControl } from './control.ts';
import { appendTiming, EventLog, readEvents, type RunEvent } from './events.ts';
import type { ExpertResults } from './expert-results.ts';
import type { ExportFormat, ExportStage } from '../exporting/export.ts';
import { exportRun, type FinishedRun } from './export-run.ts';
import { loadInputs, type LoadProgress, type RunInputs } from './inputs.ts';
import {
  learnedIn,
  loadMethodResult,
  saveMethodResult,
  saveRunRouting,
  type MethodResult,
} from './method-result.ts';
import { adaptationDataText, corruptionOf, seenTasks } from './protocol.ts';
import { recipeHash, resolveRecipePaths, type Recipe, type RecipeMethod } from './recipe.ts';
import { formatReport, normalizedAverage, type Report } from './report.ts';
import { lockRun, markRun, readRunRecipe, readRunRecord, readRunReport, type RunFolder } from './run-folder.ts';
import { describeStart, refuseOtherStart, type RunStart } from './run-start.ts';
import { runMethod, type MethodProgress } from './run-method.ts';
import { clearState, loadState, type SavedState } from './state.ts';
import { StateKeeper } from './state-keeper.ts';

export interface JobOptions {
  readonly engine: ChosenEngine;
  /** What the recipe names, where it is loaded already; whoever loaded it closes it. */
  readonly inputs?: RunInputs | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What a person can tell the run beside cancelling it. */
  readonly control?: RunControl | undefined;
  /** Results of experts that earlier runs have measured, and that this one measures. */
  readonly experts?: ExpertResults | undefined;
  /** The same of what methods have learned. */
  readonly adaptations?: Adaptations | undefined;
  readonly onLoad?: (progress: LoadProgress) => void;
  /** The events that still hold of a run that goes on, before any new one. */
  readonly onResume?: (events: readonly RunEvent[]) => void;
  readonly onEvent?: (event: RunEvent) => void;
  readonly onProgress?: (method: RecipeMethod, progress: MethodProgress) => void;
  readonly onExport?: (format: ExportFormat, stage: ExportStage) => void;
  /** How often the state of an adaptation is saved at most. */
  readonly saveIntervalMs?: number;
}

const defaultSaveIntervalMs = 3000;

/**
 * Runs what is not done yet of the run in `run` and returns its report. Throws CancelledError when
 * the signal fires, after saving the state; the run can then be continued, and ends with the same
 * bytes as if it had never stopped.
 */
export async function runJob(run: RunFolder, options: JobOptions): Promise<Report> {
  const before = await readRunRecord(run);
  const lock = await lockRun(run);
  try {
    await markRun(run, 'running');
    await sweep(run);
    const report = await continueRun(run, options);
    await markRun(run, 'done');
    return report;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const marked =
      error instanceof AppError && error.code === 'run.changed'
        ? markRun(run, before.status, before.message) // Nothing of the run was touched.
        : markRun(run, error instanceof CancelledError ? 'cancelled' : 'failed', message);
    await marked.catch(() => undefined);
    throw error;
  } finally {
    await lock.release();
  }
}

/** Clears what killed processes were writing. */
async function sweep(run: RunFolder): Promise<void> {
  const { folder: whole, methodsFolder, predictionsFolder, exportedFolder } = run;
  for (const folder of [whole, methodsFolder, predictionsFolder, exportedFolder]) {
    if (existsSync(folder)) await sweepStaleTemporaries(folder);
  }
}

async function continueRun(run: RunFolder, options: JobOptions): Promise<Report> {
  const { recipe: written, folder } = await readRunRecipe(run);
  const recipe = resolveRecipePaths(written, folder);
  const inputs = options.inputs ?? (await loadInputs(recipe, options.onLoad, options.signal));
  try {
    const { results, log } = await runMethods(run, recipe, written, inputs, options);
    const report = assembleReport(written, inputs, options.engine, results);
    await saveRunRouting(run, results);
    const { engine } = options;
    const finished = { recipe: written, recipeFolder: folder, inputs, engine, results, report };
    const exported = await exportAsAsked(run, finished, options, log);
    await log({ type: 'run.finished' });
    const complete = { ...report, exported };
    await writeFileDurably(run.reportPath, formatReport(complete));
    await appendTiming(run.timingsPath, { type: 'run.finished' });
    return complete;
  } finally {
    if (options.inputs === undefined) await inputs.close();
  }
}

/** Exports what the recipe asks for into the run folder; the folder relative to it, or null. */
async function exportAsAsked(
  run: RunFolder,
  finished: FinishedRun,
  { signal, onExport }: JobOptions,
  log: (event: RunEvent) => Promise<void>,
): Promise<string | null> {
  const wanted = finished.recipe.export;
  if (wanted === undefined) return null;
  const { method, mode, results } = await exportRun(finished, {
    ...wanted,
    target: run.exportedFolder,
    overwrite: true,
    signal,
    onStage: onExport ?? (() => undefined),
  });
  for (const { format, path, bytes } of results) {
    await log({ type: 'exported', method, format, mode, path: relative(run.folder, path), bytes });
  }
  return relative(run.folder, run.exportedFolder);
}

async function runMethods(
  run: RunFolder,
  recipe: Recipe,
  written: Recipe,
  inputs: RunInputs,
  options: JobOptions,
): Promise<{ results: MethodResult[]; log: (event: RunEvent) => Promise<void> }> {
  const results: MethodResult[] = [];
  let saved = await loadState(run.statePath);
  const start = describeStart(written, inputs, options.engine);
  const keep = await eventsToKeep(run, written, start, saved);
  const events = await EventLog.open(run.eventsPath, keep);
  const log = async (event: RunEvent) => {
    await events.append(event);
    options.onEvent?.(event);
  };
  if (options.onResume !== undefined && keep > 0) {
    options.onResume((await readEvents(run.eventsPath)).slice(0, keep));
  }
  await appendTiming(run.timingsPath, { type: events.count === 0 ? 'run.started' : 'run.resumed' });
  if (events.count === 0) await log(start);
  for (const entry of recipe.methods) {
    const finished = await loadMethodResult(run, entry.id);
    if (finished !== undefined) {
      results.push(finished);
      continue;
    }
    const resumed = saved?.method === entry.id ? saved : undefined;
    saved = undefined;
    const working = () => performance.now() - (options.control?.heldMs ?? 0);
    const started = working();
    const keeper = new StateKeeper({
      path: run.statePath,
      method: entry.id,
      eventCount: () => events.count,
      intervalMs: options.saveIntervalMs ?? defaultSaveIntervalMs,
    });
    try {
      const { result, computed } = await runMethod(
        entry,
        {
          recipe,
          inputs,
          engine: options.engine,
          signal: options.signal,
          log,
          learned: learnedIn(results),
          onProgress: (progress) => options.onProgress?.(entry, progress),
          control: options.control,
          experts: options.experts,
          adaptations: options.adaptations,
          onState: (state) => keeper.offer(state),
          saveState: () => keeper.saveNow(),
        },
        resumed,
      );
      await log({ type: 'method.finished', method: entry.id });
      await saveMethodResult(run, result);
      await clearState(run.statePath);
      const seconds = (working() - started) / 1000;
      // What was computed by an earlier run tells no estimate how long the method takes.
      const timed = computed ? { seconds } : {};
      await appendTiming(run.timingsPath, { type: 'method.finished', method: entry.id, ...timed });
      results.push(result);
    } catch (error) {
      if (error instanceof CancelledError) await keeper.saveNow();
      throw error;
    }
  }
  // One of a method that had just finished when the run was interrupted.
  await clearState(run.statePath);
  return { results, log };
}

/**
 * How many events of the log still hold: up to the saved state when a method was interrupted while
 * adapting, else up to the end of the last method whose result was saved.
 */
async function eventsToKeep(
  run: RunFolder,
  written: Recipe,
  start: RunStart,
  saved: SavedState | undefined,
): Promise<number> {
  const events = await readEvents(run.eventsPath);
  const [first] = events;
  if (first?.type === 'run.started') refuseOtherStart(run, first, start);
  let keep = first === undefined ? 0 : 1;
  for (const { id } of written.methods) {
    if ((await loadMethodResult(run, id)) === undefined) {
      return saved?.method === id ? saved.events : keep;
    }
    const end = events.findIndex((event) => event.type === 'method.finished' && event.method === id);
    keep = Math.max(keep, end + 1);
  }
  return keep;
}

function assembleReport(
  recipe: Recipe,
  inputs: RunInputs,
  { description }: ChosenEngine,
  results: readonly MethodResult[],
): Report {
  const tasks = inputs.tasks.map(({ id }) => id);
  const seen = seenTasks(recipe).map(({ id }) => id);
  const individual = results.find(({ report }) => (report.method ?? report.id) === 'individual');
  const mixed = {
    adaptation: recipe.adaptation.mixed === true,
    evaluation: recipe.evaluation.mixed === true,
  };
  return {
    schema: 1,
    recipe: recipeHash(recipe),
    seed: recipe.seed,
    engine: { ...description },
    ...(Object.values(mixed).some(Boolean) && { mixed }),
    adaptationData: adaptationDataText(recipe),
    tasks,
    taskDetails: inputs.tasks.map(({ id, set }) => ({
      id,
      title: set.title,
      classes: set.classNames.length,
      images: set.labels.length,
      synthetic: set.synthetic,
      ...(!seen.includes(id) && { unseen: true as const }),
      corruption: corruptionOf(recipe, id),
    })),
    methods: results.map(({ report }) => ({
      ...report,
      normalizedAverage: normalizedAverage(report.accuracy, individual?.report.accuracy, seen),
    })),
    run: '.',
    exported: null,
  };
}

/** What a run that is done left behind, for exporting from it. Throws `run.unfinished`. */
export async function loadFinishedRun(
  run: RunFolder,
  engine: Engine,
  load: (recipe: Recipe) => Promise<RunInputs>,
): Promise<FinishedRun> {
  const report = await readRunReport(run);
  const { recipe, folder: recipeFolder } = await readRunRecipe(run);
  const results: MethodResult[] = [];
  for (const { id } of recipe.methods) {
    const result = await loadMethodResult(run, id);
    if (result !== undefined) results.push(result);
  }
  const inputs = await load(resolveRecipePaths(recipe, recipeFolder));
  return { recipe, recipeFolder, inputs, engine, results, report };
}
