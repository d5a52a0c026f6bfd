/** Runs one method of a recipe: merge, adapt where it learns, evaluate on every task. */
import {
  adapt,
  initialState,
  type AdaptationOptions,
  type AdaptationState,
  type StepReport,
} from '../adaptation/adapt.ts';
import type { AdaptationSettings } from '../adaptation/method.ts';
import type { Engine } from '../engine/engine.ts';
import {
  compileEncoder,
  evaluateTask,
  perClassAccuracy,
  type TaskEvaluation,
} from '../evaluation/evaluate.ts';
import { AppError } from '../lib/errors.ts';
import { elementCount, type Tensor } from '../lib/tensor.ts';
import { mergeToMemory } from '../merging/executor.ts';
import { resolveParameters, type ParameterValues } from '../lib/parameters.ts';
import { staticModel, type MergedModel, type Reduction } from '../models/merged-model.ts';
import { tokenCount } from '../models/vision-config.ts';
import { catalogueEntry, titleOf } from './catalogue.ts';
import type { RunEvent } from './events.ts';
import type { RunInputs } from './inputs.ts';
import type { MethodResult } from './method-result.ts';
import type { MethodReport } from './report.ts';
import { averageAccuracy } from './report.ts';
import type { Recipe, RecipeMethod } from './recipe.ts';

export interface MethodProgress {
  readonly phase: 'merging' | 'adapting' | 'evaluating';
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
  log(event: RunEvent): Promise<void>;
  onProgress(progress: MethodProgress): void;
  /** Called after every step with the whole state; `last` when the adaptation is about to end. */
  onState(state: AdaptationState): Promise<void>;
}

/** A model to evaluate, with what it was made from. */
export interface PreparedMethod {
  readonly entry: RecipeMethod;
  readonly parameters: ParameterValues;
  readonly model: MergedModel;
  readonly settings: AdaptationSettings | undefined;
}

const noRouting: Reduction = 'per-sample';

/** The model of a recipe's method before any adaptation; undefined for the individual models. */
export async function prepareMethod(
  entry: RecipeMethod,
  context: Pick<MethodContext, 'recipe' | 'inputs' | 'signal'> & Partial<Pick<MethodContext, 'onProgress'>>,
): Promise<PreparedMethod | undefined> {
  const { recipe, inputs, signal } = context;
  const found = catalogueEntry(entry.method);
  const where = `method "${entry.id}" of recipe "${recipe.name}"`;
  const parameters = resolveParameters(found.method, entry.parameters, where);
  switch (found.kind) {
    case 'reference':
      if (found.method.id === 'individual') return undefined;
      return { entry, parameters, model: staticModel(inputs.base), settings: undefined };
    case 'static': {
      const weights = await mergeToMemory({
        method: found.method,
        parameters,
        base: inputs.baseCheckpoint,
        experts: inputs.expertCheckpoints,
        signal,
        onProgress: ({ index, total }) =>
          context.onProgress?.({ phase: 'merging', done: index, total, unit: 'tensors' }),
      });
      const model = staticModel({ config: inputs.base.config, weights });
      return { entry, parameters, model, settings: undefined };
    }
    case 'adaptive': {
      const set = {
        config: inputs.base.config,
        base: inputs.base.weights,
        experts: inputs.experts.map(({ weights }) => weights),
      };
      return {
        entry,
        parameters,
        model: found.method.create(set, parameters, recipe.seed),
        settings: found.method.settings(parameters),
      };
    }
  }
}

/** Runs `entry`, going on from `resumed` where an adaptation was interrupted. */
export async function runMethod(
  entry: RecipeMethod,
  context: MethodContext,
  resumed: AdaptationState | undefined,
): Promise<MethodResult> {
  const prepared = await prepareMethod(entry, context);
  if (resumed === undefined) {
    const steps = prepared?.settings?.steps ?? 0;
    await context.log({ type: 'method.started', method: entry.id, steps });
  }
  let values: ReadonlyMap<string, Tensor> = new Map();
  if (prepared?.settings !== undefined) {
    const state = resumed ?? initialState(prepared.model);
    await runAdaptation(prepared, prepared.settings, state, context);
    values = state.values;
  }
  const evaluations = await evaluateAll(entry, prepared, values, context);
  return {
    report: reportOf(entry, prepared, evaluations, context.inputs),
    values,
    routing: new Map(
      evaluations.flatMap(({ task, routing }) => (routing === undefined ? [] : [[task, routing]])),
    ),
    predictions: new Map(evaluations.map((each) => [each.task, [...each.predictions]])),
  };
}

async function runAdaptation(
  { entry, model }: PreparedMethod,
  settings: AdaptationSettings,
  state: AdaptationState,
  context: MethodContext,
): Promise<void> {
  const { recipe, inputs, engine, signal } = context;
  // Labels stay behind here: adaptation is handed images and heads only.
  const tasks = inputs.tasks.map(({ set, head }) => ({ images: set.images, head }));
  const options: AdaptationOptions = {
    steps: settings.steps,
    learningRate: settings.learningRate,
    schedule: settings.schedule,
    diversity: settings.diversity,
    batch: recipe.adaptation.batch,
    reduction: settings.reduction?.adaptation ?? noRouting,
    seed: recipe.seed,
    tasksPerCall: tasksPerCall(model, recipe.adaptation.batch, tasks.length),
  };
  const snapshotEvery = Math.max(1, Math.floor(settings.steps / routingSnapshots));
  for await (const report of adapt(engine, model, tasks, state, options, signal)) {
    refuseDivergence(entry.id, report);
    const ids = inputs.tasks.map(({ id }) => id);
    await context.log({
      type: 'adaptation.step',
      method: entry.id,
      step: report.step,
      loss: report.loss,
      entropy: Object.fromEntries(ids.map((id, i) => [id, report.entropy[i] ?? 0])),
      learningRate: report.learningRate,
    });
    const snapshot = report.step === 1 || report.step % snapshotEvery === 0;
    if (report.routing.length > 0 && snapshot) {
      const lambda = report.routing.map((rows) => rows.map((row) => [...row]));
      await context.log({ type: 'adaptation.routing', method: entry.id, step: report.step, lambda });
    }
    context.onProgress({
      phase: 'adapting',
      done: report.step,
      total: settings.steps,
      unit: 'steps',
      loss: report.loss,
    });
    await context.onState(state);
  }
}

/** Routing is logged about this often during an adaptation. */
const routingSnapshots = 50;

function refuseDivergence(method: string, { step, loss }: StepReport): void {
  if (Number.isFinite(loss)) return;
  throw new AppError('adaptation.diverged', {
    what: `the entropy is no longer a number at step ${String(step)}`,
    where: `method "${method}"`,
    hint: 'use a lower learning_rate',
  });
}

/** Activations of one call are kept under about this many bytes. */
const activationBudget = 2 ** 31;

/** As many tasks in one call as memory allows; a property of the model, so every run does the same. */
function tasksPerCall({ config }: MergedModel, batch: number, tasks: number): number {
  // About 40 values of hidden size per token and layer live until the backward pass.
  const values = batch * tokenCount(config) * config.hiddenSize * config.layerCount * 40;
  const perTask = values * Float32Array.BYTES_PER_ELEMENT;
  return Math.max(1, Math.min(tasks, Math.floor(activationBudget / perTask)));
}

/** Evaluates one model on every task, or without one every expert on its own task. */
async function evaluateAll(
  entry: RecipeMethod,
  prepared: PreparedMethod | undefined,
  values: ReadonlyMap<string, Tensor>,
  context: MethodContext,
): Promise<TaskEvaluation[]> {
  const { inputs, recipe, engine, signal } = context;
  const { batch } = recipe.evaluation;
  const reduction = prepared?.settings?.reduction?.evaluation ?? noRouting;
  const total = inputs.tasks.reduce((sum, { set }) => sum + set.labels.length, 0);
  const evaluations: TaskEvaluation[] = [];
  const compile = (model: MergedModel) =>
    compileEncoder(engine, model, values, { batch, reduction });
  const shared = prepared === undefined ? undefined : await compile(prepared.model);
  let before = 0;
  try {
    for (const [index, { id, set, head }] of inputs.tasks.entries()) {
      const expert = inputs.experts[index];
      if (expert === undefined) throw new Error(`task ${id} has no expert`);
      const encoder = shared ?? (await compile(staticModel(expert)));
      const onImages = (done: number) => {
        context.onProgress({ phase: 'evaluating', done: before + done, total, unit: 'images' });
      };
      const evaluation = await evaluateTask(encoder, set, head, { batch, signal, onImages }).finally(
        () => (shared === undefined ? encoder.dispose() : undefined),
      );
      const { accuracy, correct, images } = evaluation;
      const method = entry.id;
      await context.log({ type: 'evaluation', method, task: id, accuracy, correct, images });
      evaluations.push(evaluation);
      before += images;
    }
  } finally {
    await shared?.dispose();
  }
  return evaluations;
}

function reportOf(
  entry: RecipeMethod,
  prepared: PreparedMethod | undefined,
  evaluations: readonly TaskEvaluation[],
  inputs: RunInputs,
): MethodReport {
  const accuracy = Object.fromEntries(evaluations.map(({ task, accuracy: a }) => [task, a]));
  const reduction = prepared?.settings?.reduction;
  const trainable = prepared?.model.trainables.reduce((n, { shape }) => n + elementCount(shape), 0);
  return {
    id: entry.id,
    title: titleOf(entry),
    average: averageAccuracy(
      accuracy,
      inputs.tasks.map(({ id }) => id),
    ),
    // Filled in when the individual models are known.
    normalizedAverage: null,
    accuracy,
    method: entry.method,
    ...(prepared === undefined ? {} : { parameters: { ...prepared.parameters } }),
    ...(reduction === undefined ? {} : { reduction }),
    ...(trainable === undefined || trainable === 0 ? {} : { trainableParameters: trainable }),
    perClass: Object.fromEntries(evaluations.map((e) => [e.task, perClassAccuracy(e.confusion)])),
    confusion: Object.fromEntries(
      evaluations.map((e) => [e.task, e.confusion.map((row) => [...row])]),
    ),
  };
}
