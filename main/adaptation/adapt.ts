/** Test-time adaptation: minimises the entropy of predictions over unlabelled images. */
import type { Engine, Executable } from '../engine/engine.ts';
import type { ImageSet } from '../data/images.ts';
import { breather } from '../lib/breath.ts';
import { throwIfCancelled } from '../lib/errors.ts';
import { oneAhead } from '../lib/one-ahead.ts';
import type { Tensor } from '../lib/tensor.ts';
import type { Head } from '../models/head.ts';
import { initialValues, type MergedModel, type Reduction } from '../models/merged-model.ts';
import { adamUpdate, createAdam, type AdamState } from './adam.ts';
import { adaptationStep, type Objective, type StepShape } from './objective.ts';
import { blockCalls, mixedCalls } from './step-inputs.ts';
import { StepTotal } from './step-total.ts';

/** One task as adaptation sees it: images and a frozen head. */
export interface AdaptationTask {
  readonly images: ImageSet;
  readonly head: Head;
  /** What the task's own expert says: predictions [images, C] for distillation, features [images, e] for `representation`. */
  readonly targets?: Float32Array | undefined;
  /** The model's own features [images, e], where nothing before them learns: then a step encodes no image. */
  readonly encoded?: Float32Array | undefined;
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
  /** Whether the images of all tasks are mixed, so that those which share weights may be of any task. */
  readonly mixed?: boolean;
}

/** Everything that the next step depends on. */
export interface AdaptationState {
  /** Steps done. */
  step: number;
  readonly values: Map<string, Tensor>;
  readonly adam: AdamState;
  /** β of the tasks that have one of their own, by index: those the guard protects. */
  readonly diversity: Map<number, number>;
}

export interface StepReport {
  readonly step: number;
  readonly loss: number;
  /** Mean entropy by task, nats. */
  readonly entropy: readonly number[];
  /** Mean prediction by task [T][C], over the classes of the task. */
  readonly marginal: readonly Float32Array[];
  readonly learningRate: number;
  /** Mean λ by layer, task and expert, before this step's update; empty without routers. */
  readonly routing: readonly (readonly (readonly number[])[])[];
}

export function initialState(model: MergedModel): AdaptationState {
  const values = initialValues(model);
  const sizes = new Map([...values].map(([name, { data }]) => [name, data.length]));
  return { step: 0, values, adam: createAdam(sizes), diversity: new Map() };
}

/**
 * Continues from `state` (changed in place) until `options.steps`, reporting after every step. The
 * state is whole whenever a report is handed out, so it may be saved there and continued later with
 * the same result, or changed before the next step. Throws CancelledError between steps.
 */
export async function* adapt(
  engine: Engine,
  model: MergedModel,
  tasks: readonly AdaptationTask[],
  state: AdaptationState,
  options: AdaptationOptions,
  signal?: AbortSignal,
): AsyncGenerator<StepReport> {
  const { mixed = false, batch } = options;
  const breathe = breather();
  const encoded = tasks.every((task) => task.encoded !== undefined);
  const chosen = { ...options, encoded, breathe };
  const calls = (mixed ? mixedCalls : blockCalls)(model.config, tasks, chosen);
  const programs = new StepPrograms(engine, model, {
    ...options,
    encoded,
    classes: calls.classes,
    mixed: mixed ? tasks.length : undefined,
  });
  const needsOwn = options.objective === 'task' || model.byTask !== undefined;
  const classCounts = tasks.map(({ head }) => head.weight.shape[0] ?? 0);
  try {
    for (const size of calls.sizes) await programs.get(size, state.diversity.size > 0);
    const first = state.step + 1;
    const count = Math.max(0, options.steps - state.step) * calls.sizes.length;
    const prepared = oneAhead(count, (call) =>
      calls.prepare(first + Math.floor(call / calls.sizes.length), call % calls.sizes.length),
    );
    while (state.step < options.steps) {
      throwIfCancelled(signal);
      const step = state.step + 1;
      const guarded = state.diversity.size > 0;
      const total = new StepTotal(state.values, classCounts, calls, mixed);
      for (const size of calls.sizes) {
        const next = await prepared.next();
        if (next.done === true) throw new Error('the batches end before the steps');
        const { inputs, owners } = next.value;
        const executable = await programs.get(size, guarded);
        const betas = guarded
          ? betasOf(state, options, mixed ? tasks.keys() : new Set(owners))
          : {};
        const values = Object.fromEntries(state.values);
        const own = needsOwn ? { own: ownExperts(owners, tasks.length) } : {};
        const results = await executable.run({ ...inputs, ...own, ...betas, ...values });
        total.add(results, owners, { layerCount: model.config.layerCount, batch });
      }
      const learningRate = options.learningRate * rate(options, step);
      for (const [name, { data }] of state.values) {
        adamUpdate(state.adam, name, data, total.gradient(name), { step, learningRate });
        await breathe();
      }
      state.step = step;
      const { loss, entropy, marginal, routing } = total;
      yield { step, loss, entropy, marginal, learningRate, routing };
    }
  } finally {
    await programs.dispose();
  }
}

/** The programs of a step, compiled when they are first needed. */
class StepPrograms {
  readonly #engine: Engine;
  readonly #model: MergedModel;
  readonly #shape: Omit<StepShape, 'tasks'>;
  readonly #compiled = new Map<string, Executable>();

  constructor(engine: Engine, model: MergedModel, shape: Omit<StepShape, 'tasks'>) {
    this.#engine = engine;
    this.#model = model;
    this.#shape = shape;
  }

  async get(tasks: number, guarded: boolean): Promise<Executable> {
    const key = `${String(tasks)} ${String(guarded)}`;
    let executable = this.#compiled.get(key);
    if (executable === undefined) {
      const program = adaptationStep(this.#model, { ...this.#shape, tasks, guarded });
      executable = await this.#engine.compile(program, this.#model.constants);
      this.#compiled.set(key, executable);
    }
    return executable;
  }

  async dispose(): Promise<void> {
    for (const executable of this.#compiled.values()) await executable.dispose();
  }
}

/** β of some tasks, as the program takes them. */
function betasOf(
  { diversity }: AdaptationState,
  options: AdaptationOptions,
  tasks: Iterable<number>,
): Record<string, Tensor> {
  const data = Float32Array.from(
    [...tasks].map((task) => diversity.get(task) ?? options.diversity),
  );
  return { diversity: { shape: [data.length], data } };
}

/** [images, K], 1 where an image is of the task that expert k was made for; experts stand in the order of tasks. */
function ownExperts(owners: Uint32Array, experts: number): Tensor {
  const data = new Float32Array(owners.length * experts);
  owners.forEach((owner, i) => (data[i * experts + owner] = 1));
  return { shape: [owners.length, experts], data };
}

function rate({ schedule, steps }: AdaptationOptions, step: number): number {
  return schedule === 'constant' ? 1 : 0.5 * (1 + Math.cos((Math.PI * (step - 1)) / steps));
}
