/** Test-time adaptation: minimises the entropy of predictions over unlabelled images. */
import type { Engine } from '../engine/engine.ts';
import type { ImageSet } from '../data/images.ts';
import { shuffledBatch, writeImages } from '../data/images.ts';
import { gradientName } from '../graph/gradient.ts';
import { breather } from '../lib/breath.ts';
import { throwIfCancelled } from '../lib/errors.ts';
import { oneAhead } from '../lib/one-ahead.ts';
import { elementCount, type Tensor } from '../lib/tensor.ts';
import { stackHeads, type Head } from '../models/head.ts';
import {
  initialValues,
  routingName,
  type MergedModel,
  type Reduction,
} from '../models/merged-model.ts';
import { imageShape } from '../models/vit.ts';
import { adamUpdate, createAdam, type AdamState } from './adam.ts';
import { adaptationStep, type Objective } from './objective.ts';

/** One task as adaptation sees it: images and a frozen head. */
export interface AdaptationTask {
  readonly images: ImageSet;
  readonly head: Head;
  /** Predictions of the task's own expert [images, C], for distillation. */
  readonly targets?: Float32Array | undefined;
  /** Never there, so that a labelled set with a head added does not pass for a task. */
  readonly labels?: never;
}

export interface AdaptationOptions {
  readonly steps: number;
  readonly learningRate: number;
  /** `cosine` decays the rate to 0 over the steps, as the authors' code does. */
  readonly schedule: 'constant' | 'cosine';
  /** Images per task and step. */
  readonly batch: number;
  readonly reduction: Reduction;
  readonly objective: Objective;
  /** Weight of the marginal entropy; see objective.ts. */
  readonly diversity: number;
  readonly seed: number;
  /** Tasks that share one call of the engine; fewer need less memory, the result is the same sum. */
  readonly tasksPerCall: number;
}

/** Everything that the next step depends on. */
export interface AdaptationState {
  /** Steps done. */
  step: number;
  readonly values: Map<string, Tensor>;
  readonly adam: AdamState;
}

export interface StepReport {
  readonly step: number;
  readonly loss: number;
  /** Mean entropy by task, nats. */
  readonly entropy: readonly number[];
  readonly learningRate: number;
  /** Mean λ by layer, task and expert, before this step's update; empty without routers. */
  readonly routing: readonly (readonly (readonly number[])[])[];
}

export function initialState(model: MergedModel): AdaptationState {
  const values = initialValues(model);
  const sizes = new Map([...values].map(([name, { data }]) => [name, data.length]));
  return { step: 0, values, adam: createAdam(sizes) };
}

/**
 * Continues from `state` (changed in place) until `options.steps`, reporting after every step. The
 * state is whole whenever a report is handed out, so it may be saved there and continued later with
 * the same result. Throws CancelledError between steps.
 */
export async function* adapt(
  engine: Engine,
  model: MergedModel,
  tasks: readonly AdaptationTask[],
  state: AdaptationState,
  options: AdaptationOptions,
  signal?: AbortSignal,
): AsyncGenerator<StepReport> {
  const parts = partition(tasks, options.tasksPerCall);
  const classes = Math.max(...tasks.map(({ head }) => head.weight.shape[0] ?? 0));
  const executables = new Map<number, Awaited<ReturnType<Engine['compile']>>>();
  const breathe = breather();
  try {
    for (const { length } of parts) {
      if (executables.has(length)) continue;
      const program = adaptationStep(model, { ...options, tasks: length, classes });
      executables.set(length, await engine.compile(program, model.constants));
    }
    const first = state.step + 1;
    const calls = Math.max(0, options.steps - state.step) * parts.length;
    const batches = oneAhead(calls, (call) => {
      const part = parts[call % parts.length] ?? [];
      const step = first + Math.floor(call / parts.length);
      return batchOf(model, part, classes, options, step, breathe);
    });
    while (state.step < options.steps) {
      throwIfCancelled(signal);
      const step = state.step + 1;
      const total = new StepTotal(state.values);
      for (const part of parts) {
        const batch = await batches.next();
        if (batch.done === true) throw new Error('the batches end before the steps');
        const { images, targets } = batch.value;
        const { weights: heads, mask } = stackHeads(
          part.map(({ head }) => head),
          classes,
        );
        const results = await executables
          .get(part.length)
          ?.run({ images, heads, mask, ...targets, ...Object.fromEntries(state.values) });
        if (results !== undefined) total.add(results, model.config.layerCount, part.length);
      }
      const learningRate = options.learningRate * rate(options, step);
      for (const [name, { data }] of state.values) {
        adamUpdate(state.adam, name, data, total.gradient(name), { step, learningRate });
        await breathe();
      }
      state.step = step;
      yield {
        step,
        loss: total.loss,
        entropy: total.entropy,
        learningRate,
        routing: total.routing,
      };
    }
  } finally {
    for (const executable of executables.values()) await executable.dispose();
  }
}

function rate({ schedule, steps }: AdaptationOptions, step: number): number {
  return schedule === 'constant' ? 1 : 0.5 * (1 + Math.cos((Math.PI * (step - 1)) / steps));
}

function partition<Item>(items: readonly Item[], size: number): Item[][] {
  const parts: Item[][] = [];
  for (let start = 0; start < items.length; start += size)
    parts.push(items.slice(start, start + size));
  return parts;
}

/** The images, and the targets where there are any, of step `step` of every task of one call in turn. */
async function batchOf(
  model: MergedModel,
  part: readonly AdaptationTask[],
  classes: number,
  { batch, seed, objective }: AdaptationOptions,
  step: number,
  breathe: () => Promise<void>,
): Promise<{ images: Tensor; targets: Readonly<Record<string, Tensor>> }> {
  const shape = imageShape(model.config, part.length * batch);
  const data = new Float32Array(elementCount(shape));
  const perTask = data.length / part.length;
  const wanted = objective === 'distillation';
  const targets = new Float32Array(wanted ? part.length * batch * classes : 0);
  for (const [i, task] of part.entries()) {
    const { images } = task;
    const key = [seed, 'adaptation', images.task];
    const indices = shuffledBatch(key, images.store.count, batch, step - 1);
    await writeImages(images, indices, data.subarray(i * perTask, (i + 1) * perTask));
    if (wanted) writeTargets(task, indices, targets, i * batch * classes, classes);
    await breathe();
  }
  return {
    images: { shape, data },
    targets: wanted ? { targets: { shape: [part.length, batch, classes], data: targets } } : {},
  };
}

/** The expert's predictions for some images, from `start` on, in rows of `classes`. */
function writeTargets(
  { images, head, targets }: AdaptationTask,
  indices: Uint32Array,
  into: Float32Array,
  start: number,
  classes: number,
): void {
  if (targets === undefined) throw new Error(`task ${images.task} has no targets to distil`);
  const own = head.weight.shape[0] ?? 0;
  indices.forEach((index, row) => {
    into.set(targets.subarray(index * own, (index + 1) * own), start + row * classes);
  });
}

/** Sums the results of the calls of one step. */
class StepTotal {
  loss = 0;
  readonly entropy: number[] = [];
  readonly routing: number[][][] = [];
  private readonly gradients: ReadonlyMap<string, Float32Array>;

  constructor(values: ReadonlyMap<string, Tensor>) {
    this.gradients = new Map(
      [...values].map(([name, { data }]) => [name, new Float32Array(data.length)]),
    );
  }

  gradient(name: string): Float32Array {
    const gradient = this.gradients.get(name);
    if (gradient === undefined) throw new Error(`no gradient for "${name}"`);
    return gradient;
  }

  add(results: Readonly<Record<string, Tensor>>, layerCount: number, tasks: number): void {
    this.loss += results['loss']?.data[0] ?? Number.NaN;
    this.entropy.push(...(results['entropy']?.data ?? []));
    for (const [name, sum] of this.gradients) {
      results[gradientName(name)]?.data.forEach((slope, i) => (sum[i] = (sum[i] ?? 0) + slope));
    }
    for (let layer = 0; layer < layerCount; layer++) {
      const lambdas = results[routingName(layer)];
      if (lambdas !== undefined) (this.routing[layer] ??= []).push(...meanByTask(lambdas, tasks));
    }
  }
}

/** Rows [G, K] averaged within each of `tasks` equal, consecutive parts (one shared row serves all). */
function meanByTask({ shape, data }: Tensor, tasks: number): number[][] {
  const [rows = 1, experts = 1] = shape;
  const perTask = Math.max(1, rows / tasks);
  return Array.from({ length: tasks }, (_, task) => {
    const first = rows === 1 ? 0 : task * perTask;
    return Array.from({ length: experts }, (_unused, expert) => {
      let sum = 0;
      for (let row = first; row < first + perTask; row++) sum += data[row * experts + expert] ?? 0;
      return sum / perTask;
    });
  });
}
