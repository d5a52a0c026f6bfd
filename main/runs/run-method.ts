/** Runs one method of a recipe: merge, adapt where it learns, evaluate on every task. */
import type { Engine } from '../engine/engine.ts';
import type { SmallerBatch } from '../engine/in-rows.ts';
import {
  compileEncoder,
  evaluateTask,
  perClassAccuracy,
} from '../evaluation/evaluate.ts';
import { evaluateMixed } from '../evaluation/evaluate-mixed.ts';
import type { TaskEvaluation } from '../evaluation/tally.ts';
import { elementCount, type Tensor } from '../lib/tensor.ts';
import { staticModel, type MergedModel, type Reduction } from '../models/merged-model.ts';
import type { Adaptations } from './adaptations.ts';
import { titleOf } from './catalogue.ts';
import type { RunControl } from './control.ts';
import type { ExpertResults } from './expert-results.ts';
import type { RunEvent } from './events.ts';
import type { RunInputs } from './inputs.ts';
import type { MethodResult } from './method-result.ts';
import { prepareMethod, type Learned, type PreparedMethod } from './prepare-method.ts';
import type { MethodReport } from './report.ts';
import { averageAccuracy } from './report.ts';
import { runAdaptation, type Adapted, type ResumedAdaptation } from './run-adaptation.ts';
import { seenTasks } from './protocol.ts';
import { seenPart } from './seen.ts';
import { storageOf, storedModel } from './storage.ts';
import type { StateToKeep } from './state-keeper.ts';
import type { Recipe, RecipeMethod } from './recipe.ts';

export interface MethodProgress {
  readonly phase: 'merging' | 'preparing' | 'adapting' | 'evaluating';
  readonly done: number;
  readonly total: number;
  readonly unit: 'tensors' | 'steps' | 'images';
  readonly loss?: number;
}

export interface MethodContext {
  readonly recipe: Recipe;
  readonly inputs: RunInputs;
  readonly engine: Engine;
  readonly signal: AbortSignal | undefined;
  /** Of the methods before this one. */
  readonly learned: Learned;
  log(event: RunEvent): Promise<void>;
  onProgress(progress: MethodProgress): void;
  /** Without it there is no pausing, and no best step to keep. */
  readonly control: RunControl | undefined;
  /** Spares measuring experts again that an earlier run has measured. */
  readonly experts?: ExpertResults | undefined;
  /** Spares adapting again what an earlier run has adapted. */
  readonly adaptations?: Adaptations | undefined;
  /** Called after every step with the whole state, which is saved now and then. */
  onState(state: StateToKeep): Promise<void>;
  /** Saves the last state that was offered now. */
  saveState(): Promise<void>;
}

const noRouting: Reduction = 'per-sample';

/** A result, and whether all of it was computed for it: then its time says how long the method takes. */
interface RanMethod {
  readonly result: MethodResult;
  readonly computed: boolean;
}

/** Runs `entry`, going on from `resumed` where an adaptation was interrupted. */
export async function runMethod(
  entry: RecipeMethod,
  context: MethodContext,
  resumed: ResumedAdaptation | undefined,
): Promise<RanMethod> {
  const prepared = await prepareMethod(entry, context);
  if (resumed === undefined) {
    const steps = prepared?.settings?.steps ?? 0;
    await context.log({ type: 'method.started', method: entry.id, steps });
  }
  const adapted = await adaptedBy(entry, prepared, context, resumed);
  const { values } = adapted;
  const { evaluations, smallerBatch, measuredBefore } = await evaluateAll(
    entry,
    prepared,
    values,
    context,
  );
  const result: MethodResult = {
    report: {
      ...reportOf(entry, prepared, adapted, evaluations, context.recipe),
      ...(smallerBatch && { smallerBatch }),
    },
    values,
    routing: new Map(
      evaluations.flatMap(({ task, routing }) => (routing === undefined ? [] : [[task, routing]])),
    ),
    predictions: new Map(
      evaluations.map(({ task, predictions, confidences }) => [
        task,
        { predicted: [...predictions], confidence: [...confidences] },
      ]),
    ),
  };
  return { result, computed: adapted.again !== true && !measuredBefore };
}

async function adaptedBy(
  entry: RecipeMethod,
  prepared: PreparedMethod | undefined,
  context: MethodContext,
  resumed: ResumedAdaptation | undefined,
): Promise<Adapted & { readonly again?: boolean }> {
  if (prepared?.settings === undefined || prepared.model.trainables.length === 0) {
    return { values: new Map(), stopped: undefined, collapses: [] };
  }
  const { model, settings } = prepared;
  const adapt = (within: MethodContext) =>
    runAdaptation(entry.id, model, settings, resumed, seenPart(within));
  // What was logged before an interruption is not at hand to be told again.
  return resumed === undefined && context.adaptations !== undefined
    ? context.adaptations.of(prepared, context, adapt)
    : adapt(context);
}

/** Evaluates one model on every task, or without one every expert on its own task. */
async function evaluateAll(
  entry: RecipeMethod,
  prepared: PreparedMethod | undefined,
  values: ReadonlyMap<string, Tensor>,
  context: MethodContext,
): Promise<{
  evaluations: TaskEvaluation[];
  smallerBatch?: SmallerBatch | undefined;
  /** Whether any of it was not measured now. */
  measuredBefore: boolean;
}> {
  const { inputs, recipe, engine, signal, control } = context;
  const hold = async () => control?.hold(signal);
  const { batch } = recipe.evaluation;
  const reduction = prepared?.settings?.reduction?.evaluation ?? noRouting;
  const total = inputs.tasks.reduce((sum, { set }) => sum + set.labels.length, 0);
  let smallerBatch: SmallerBatch | undefined;
  const onSmaller = async (change: SmallerBatch) => {
    smallerBatch = { from: smallerBatch?.from ?? change.from, to: change.to };
    await context.log({ type: 'evaluation.smaller_batch', method: entry.id, ...change });
  };
  const compile = (model: MergedModel) =>
    compileEncoder(engine, model, values, { batch, reduction, onSmaller });
  const shared = prepared === undefined ? undefined : await compile(prepared.model);
  const told = async (evaluation: TaskEvaluation) => {
    const { task, accuracy, correct, images } = evaluation;
    const method = entry.id;
    await context.log({ type: 'evaluation', method, task, accuracy, correct, images });
    return evaluation;
  };
  const evaluations: TaskEvaluation[] = [];
  let measured = 0;
  let before = 0;
  const onImages = (done: number) => {
    context.onProgress({ phase: 'evaluating', done: before + done, total, unit: 'images' });
  };
  const options = { batch, signal, onImages, hold };
  const seen = seenTasks(recipe).map(({ id }) => id);
  const expertOf = (id: string) => (seen.includes(id) ? seen.indexOf(id) : undefined);
  try {
    if (shared !== undefined && recipe.evaluation.mixed === true) {
      const { seed } = recipe;
      const tasks = inputs.tasks.map((task) => ({ ...task, expert: expertOf(task.id) }));
      const found = await evaluateMixed(shared, tasks, { ...options, seed });
      for (const evaluation of found) evaluations.push(await told(evaluation));
      return { evaluations, smallerBatch, measuredBefore: false };
    }
    for (const [index, { id, set, head }] of inputs.tasks.entries()) {
      const expert = inputs.experts[index];
      if (expert === undefined) throw new Error(`task ${id} has no expert`);
      const measure = async () => {
        measured++;
        const encoder = shared ?? (await compile(storedModel(storageOf(recipe), staticModel(expert))));
        const own = { ...options, expert: expertOf(id) };
        return evaluateTask(encoder, set, head, own).finally(() =>
          shared === undefined ? encoder.dispose() : undefined,
        );
      };
      const evaluation =
        shared === undefined && context.experts !== undefined
          ? await context.experts.of(id, { inputs, engine, batch }, measure)
          : await measure();
      evaluations.push(await told(evaluation));
      before += evaluation.images;
    }
  } finally {
    await shared?.dispose();
  }
  return { evaluations, smallerBatch, measuredBefore: measured < evaluations.length };
}

function reportOf(
  entry: RecipeMethod,
  prepared: PreparedMethod | undefined,
  { stopped, collapses, smallerCalls }: Adapted,
  evaluations: readonly TaskEvaluation[],
  recipe: Recipe,
): MethodReport {
  const accuracy = Object.fromEntries(evaluations.map(({ task, accuracy: a }) => [task, a]));
  const reduction = prepared?.settings?.reduction;
  const trainable = prepared?.model.trainables.reduce((n, { shape }) => n + elementCount(shape), 0);
  return {
    id: entry.id,
    title: titleOf(prepared?.entry ?? entry),
    average: averageAccuracy(
      accuracy,
      seenTasks(recipe).map(({ id }) => id),
    ),
    ...(recipe.unseen && { unseenAverage: averageAccuracy(accuracy, recipe.unseen) }),
    // Filled in when the individual models are known.
    normalizedAverage: null,
    accuracy,
    method: entry.method,
    ...(prepared === undefined ? {} : { parameters: { ...prepared.parameters } }),
    ...(reduction === undefined ? {} : { reduction }),
    ...(prepared?.model.byTask && { taskKnown: true as const }),
    ...(trainable === undefined || trainable === 0 ? {} : { trainableParameters: trainable }),
    ...(prepared === undefined ? {} : { modelParameters: prepared.modelParameters }),
    ...(stopped === undefined ? {} : { stoppedAt: stopped.step, keptStep: stopped.keptStep }),
    ...(stopped?.by === undefined ? {} : { stoppedBy: stopped.by }),
    ...(smallerCalls && { smallerCalls }),
    ...(collapses.length === 0 ? {} : { collapses: [...collapses] }),
    perClass: Object.fromEntries(evaluations.map((e) => [e.task, perClassAccuracy(e.confusion)])),
    confusion: Object.fromEntries(
      evaluations.map((e) => [e.task, e.confusion.map((row) => [...row])]),
    ),
  };
}
