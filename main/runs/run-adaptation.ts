/** The adaptation of one method: every step logged, held and saved as the person and the disk want it. */
import {
  initialState,
  type AdaptationOptions,
  type AdaptationState,
  type AdaptationTask,
  type StepReport,
} from '../adaptation/adapt.ts';
import type { AdaptationSettings } from '../adaptation/method.ts';
import { StepCriterion } from '../adaptation/step-criterion.ts';
import { encodedImages, expertFeatures, expertPredictions } from '../adaptation/targets.ts';
import { adaptWithinMemory, type SmallerCalls } from '../adaptation/within-memory.ts';
import type { Collapse } from '../api/report.ts';
import { AppError } from '../lib/errors.ts';
import type { Tensor } from '../lib/tensor.ts';
import type { MergedModel } from '../models/merged-model.ts';
import { tokenCount, type VisionConfig } from '../models/vision-config.ts';
import type { VisionModel } from '../models/vision-model.ts';
import { BestStep } from './best-step.ts';
import { CollapseGuard, goBack } from './guard.ts';
import { createMonitor, type Monitor } from './monitor.ts';
import type { MethodContext } from './run-method.ts';
import type { SavedState, StoppedAdaptation } from './state.ts';

/** What an adaptation goes on from. */
export type ResumedAdaptation = Omit<SavedState, 'method' | 'events'>;

export interface Adapted {
  readonly values: ReadonlyMap<string, Tensor>;
  /** Set when a person, or the guard, ended it before its last step. */
  readonly stopped: StoppedAdaptation | undefined;
  readonly collapses: readonly Collapse[];
  /** Set when the engine had too little memory for as many tasks in a call as was planned. */
  readonly smallerCalls?: SmallerCalls | undefined;
}

/** Routing is logged about this often during an adaptation, accuracy on the monitored sample this often. */
const routingSnapshots = 50;
const accuracySnapshots = 20;

/** Adapts `model` for the method `id` of the recipe. Throws `adaptation.diverged` and CancelledError. */
export async function runAdaptation(
  id: string,
  model: MergedModel,
  settings: AdaptationSettings,
  resumed: ResumedAdaptation | undefined,
  context: MethodContext,
): Promise<Adapted> {
  const state = resumed?.adaptation ?? initialState(model);
  if (resumed?.stopped !== undefined) {
    const { stopped, collapses = [] } = resumed;
    return { values: state.values, stopped, collapses };
  }
  const monitor = await startMonitor(model, settings, state, context);
  try {
    const done = await adaptSteps(id, model, settings, state, resumed, monitor, context);
    return { values: state.values, ...done };
  } finally {
    await monitor?.dispose();
  }
}

async function startMonitor(
  model: MergedModel,
  settings: AdaptationSettings,
  { values }: AdaptationState,
  { engine, inputs, recipe }: MethodContext,
): Promise<Monitor | undefined> {
  if (recipe.monitor === undefined || settings.steps === 0) return undefined;
  const reduction = settings.reduction?.evaluation ?? 'per-sample';
  const { images } = recipe.monitor;
  return createMonitor(engine, model, values, inputs, recipe, { images, reduction });
}

async function adaptSteps(
  id: string,
  model: MergedModel,
  settings: AdaptationSettings,
  state: AdaptationState,
  resumed: ResumedAdaptation | undefined,
  monitor: Monitor | undefined,
  context: MethodContext,
): Promise<Omit<Adapted, 'values'>> {
  const { engine, signal, control, inputs, recipe } = context;
  const options = adaptationOptions(model, settings, context);
  const tasks = await adaptationTasks(model, settings, context);
  const { objective, guard: mode } = settings;
  const classCounts = tasks.map(({ head }) => head.weight.shape[0] ?? 0);
  const shape = { objective, classCounts, batch: recipe.adaptation.batch };
  const criterion = new StepCriterion(shape, resumed?.criterion);
  const ids = inputs.tasks.map((task) => task.id);
  const guard = new CollapseGuard(ids, settings, resumed?.collapses);
  // Nobody asks for the best step otherwise, and copying it takes time.
  const wanted = control !== undefined || mode === 'stop' || mode === 'protect';
  const best = wanted ? new BestStep({ onward: mode === 'protect' }, resumed?.best) : undefined;
  const logAccuracy = async (step: number) => {
    if (monitor === undefined || !isDue(step, settings.steps, accuracySnapshots)) return;
    const accuracy = await monitor.measure();
    await context.log({ type: 'adaptation.accuracy', method: id, step, accuracy });
  };
  let smallerCalls: SmallerCalls | undefined;
  const end = async (by?: 'guard') => {
    if (best?.state === undefined) throw new Error('there is no best step');
    const { step: keptStep } = best.state;
    goBack(state, best.state);
    const stopped = { step: state.step, keptStep, ...(by && { by }) };
    await context.log({ type: 'adaptation.stopped', method: id, ...stopped });
    // On disk too, so that no resumption adapts any further.
    await context.onState({ adaptation: state, stopped, collapses: guard.collapses });
    return { stopped, collapses: guard.collapses, smallerCalls };
  };
  // Asked of an adaptation that had just ended by itself.
  control?.takeKeepBest();
  if (state.step === 0) await logAccuracy(0);
  const onSmaller = async (change: SmallerCalls) => {
    smallerCalls = { ...change, from: smallerCalls?.from ?? change.from };
    await context.log({ type: 'adaptation.smaller_calls', method: id, ...change });
  };
  const bounded = { ...options, onSmaller };
  for await (const report of adaptWithinMemory(engine, model, tasks, state, bounded, signal)) {
    refuseDivergence(id, report);
    criterion.observe(report);
    await logStep(id, report, criterion, settings.steps, context);
    await logAccuracy(report.step);
    best?.offer(state, criterion);
    const found = guard.act(state, criterion, best);
    for (const collapse of found) {
      await context.log({ type: 'adaptation.collapsed', method: id, ...collapse });
    }
    context.onProgress({
      phase: 'adapting',
      done: report.step,
      total: settings.steps,
      unit: 'steps',
      loss: report.loss,
    });
    if (found.some(({ action }) => action === 'stopped')) return end('guard');
    await context.onState({
      adaptation: state,
      best: best?.state,
      criterion: criterion.state,
      collapses: guard.collapses,
    });
    if (control?.paused === true) await context.saveState();
    await control?.hold(signal);
    if (best?.state !== undefined && control?.takeKeepBest() === true) return end();
  }
  return { stopped: undefined, collapses: guard.collapses, smallerCalls };
}

/** Labels stay behind here: adaptation is handed images, heads and what the experts make of the images. */
async function adaptationTasks(
  model: MergedModel,
  { objective }: AdaptationSettings,
  context: MethodContext,
): Promise<AdaptationTask[]> {
  const { inputs, engine, recipe, signal } = context;
  const tasks: AdaptationTask[] = [];
  const follows = objective === 'distillation' || objective === 'representation';
  const passes = Number(follows) + Number(model.byTask !== undefined);
  const all = inputs.tasks.reduce((sum, { unlabelled }) => sum + unlabelled.store.count, 0);
  let before = 0;
  const onImages = (done: number) => {
    const total = passes * all;
    context.onProgress({ phase: 'preparing', done: before + done, total, unit: 'images' });
  };
  for (const [k, { unlabelled: images, head }] of inputs.tasks.entries()) {
    const unlabelled = { images, head };
    const expert = inputs.experts[k];
    const options = { batch: recipe.evaluation.batch, signal, onImages };
    const of = {
      entropy: undefined,
      task: undefined,
      distillation: (own: VisionModel) => expertPredictions(engine, own, unlabelled, options),
      representation: (own: VisionModel) => expertFeatures(engine, own, images, options),
    }[objective];
    const targets = expert === undefined ? undefined : await of?.(expert);
    if (targets !== undefined) before += images.store.count;
    // What comes before modules for tasks stays as it is, so every image is encoded once.
    const encoded =
      model.byTask === undefined ? undefined : await encodedImages(engine, model, images, options);
    if (encoded !== undefined) before += images.store.count;
    tasks.push({ ...unlabelled, targets, encoded });
  }
  return tasks;
}

function adaptationOptions(
  model: MergedModel,
  settings: AdaptationSettings,
  { recipe, inputs }: MethodContext,
): AdaptationOptions {
  const { batch } = recipe.adaptation;
  return {
    steps: settings.steps,
    learningRate: settings.learningRate,
    schedule: settings.schedule,
    objective: settings.objective,
    diversity: settings.diversity,
    batch,
    reduction: settings.reduction?.adaptation ?? 'per-sample',
    seed: recipe.seed,
    mixed: recipe.adaptation.mixed === true,
    tasksPerCall: tasksPerCall(model.config, batch, inputs.tasks.length),
  };
}

async function logStep(
  method: string,
  { step, loss, entropy, learningRate, routing }: StepReport,
  { usage: { usage } }: StepCriterion,
  steps: number,
  context: MethodContext,
): Promise<void> {
  const { tasks } = context.inputs;
  const byTask = (values: readonly number[]) =>
    Object.fromEntries(tasks.map(({ id }, i) => [id, values[i] ?? 0]));
  await context.log({
    type: 'adaptation.step',
    method,
    step,
    loss,
    entropy: byTask(entropy),
    usage: byTask(usage.map((share) => Math.round(1e4 * share) / 1e4)),
    learningRate,
  });
  // λ is that of the parameters the step began with, so the first step shows it before any update.
  const updates = step - 1;
  if (routing.length > 0 && (isDue(updates, steps, routingSnapshots) || step === steps)) {
    const lambda = routing.map((rows) => rows.map((row) => [...row]));
    await context.log({ type: 'adaptation.routing', method, step: updates, lambda });
  }
}

/** Whether something done about `times` times within `steps`, and at both ends, is to be done at `step`. */
function isDue(step: number, steps: number, times: number): boolean {
  return step === steps || step % Math.max(1, Math.round(steps / times)) === 0;
}

function refuseDivergence(method: string, { step, loss }: StepReport): void {
  if (Number.isFinite(loss)) return;
  throw new AppError('adaptation.diverged', {
    what: `the loss is no longer a number at step ${String(step)}`,
    where: `method "${method}"`,
    hint: 'use a lower learning_rate',
  });
}

/** Activations of one call are kept under about this many bytes. */
const activationBudget = 2 ** 31;

/** Bytes that live until the backward pass for one task's images. */
export function activationBytes(config: VisionConfig, batch: number): number {
  // About 40 values of hidden size per token and layer.
  const values = batch * tokenCount(config) * config.hiddenSize * config.layerCount * 40;
  return values * Float32Array.BYTES_PER_ELEMENT;
}

/** As many tasks in one call as memory allows; a property of the model, so every run does the same. */
export function tasksPerCall(config: VisionConfig, batch: number, tasks: number): number {
  const fitting = Math.floor(activationBudget / activationBytes(config, batch));
  return Math.max(1, Math.min(tasks, fitting));
}
