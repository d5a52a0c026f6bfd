/**
 * What the calls of one adaptation step take: images and heads, task by task, or those of all tasks mixed. A step may
 * be several calls of the engine, as fewer tasks at once need less memory.
 */
import { shuffledBatch, writeImages } from '../data/images.ts';
import { permutation, randomStream } from '../lib/random.ts';
import { elementCount, type Tensor } from '../lib/tensor.ts';
import { stackHeads, type Head } from '../models/head.ts';
import { featureSize, type VisionConfig } from '../models/vision-config.ts';
import { imageShape } from '../models/vit.ts';
import type { AdaptationTask } from './adapt.ts';
import type { Objective } from './objective.ts';

export interface StepInputOptions {
  readonly batch: number;
  readonly seed: number;
  readonly objective: Objective;
  readonly tasksPerCall: number;
  /** Whether steps take the features of images instead of the images. */
  readonly encoded: boolean;
  /** Lets others be served between images. */
  readonly breathe: () => Promise<void>;
}

export interface CallInputs {
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Task index of each image in turn. */
  readonly owners: Uint32Array;
}

export interface StepCalls {
  /** For each call of a step how many tasks' worth of images it holds. */
  readonly sizes: readonly number[];
  /** Columns of the program's classes, and where those of each task begin. */
  readonly classes: number;
  readonly starts: readonly number[];
  prepare(step: number, call: number): Promise<CallInputs>;
}

/** Each task's images in a block of their own, a few tasks in each call. */
export function blockCalls(
  config: VisionConfig,
  tasks: readonly AdaptationTask[],
  options: StepInputOptions,
): StepCalls {
  const classes = Math.max(...tasks.map(classCount));
  const { batch, tasksPerCall } = options;
  const sizes = partition(tasks.length, tasksPerCall);
  const heads = sizes.map((size, call) => {
    const part = tasks.slice(call * tasksPerCall, call * tasksPerCall + size);
    const { weights, mask } = stackHeads(
      part.map(({ head }) => head),
      classes,
    );
    return { heads: weights, mask };
  });
  return {
    sizes,
    classes,
    starts: tasks.map(() => 0),
    prepare: async (step, call) => {
      const size = sizes[call] ?? 0;
      const owners = Uint32Array.from(
        { length: size * batch },
        (_, i) => call * tasksPerCall + Math.floor(i / batch),
      );
      const chosen = gather(tasks, owners, step, options);
      const { seen, targets } = await content(config, chosen, classes, () => 0, options);
      return { owners, inputs: { ...seen, ...heads[call], ...inRows(targets, [size, batch]) } };
    },
  };
}

/**
 * The same images in a random order, so that those which share weights under `batch-mean` are of any task. `heads` are
 * all in one; the mask leaves every image the classes of its own task.
 */
export function mixedCalls(
  config: VisionConfig,
  tasks: readonly AdaptationTask[],
  options: StepInputOptions,
): StepCalls {
  const { batch, tasksPerCall, seed } = options;
  const { heads, classes, starts } = joinedHeads(tasks.map(({ head }) => head));
  const sizes = partition(tasks.length, tasksPerCall);
  return {
    sizes,
    classes,
    starts,
    prepare: async (step, call) => {
      const order = permutation(randomStream(seed, 'mixing', step), tasks.length * batch);
      const all = order.map((place) => Math.floor(place / batch));
      const from = call * tasksPerCall * batch;
      const owners = all.slice(from, from + (sizes[call] ?? 0) * batch);
      const chosen = gather(tasks, all, step, options).slice(from, from + owners.length);
      const start = (owner: number) => starts[owner] ?? 0;
      const { seen, targets } = await content(config, chosen, classes, start, options);
      const shape = [1, owners.length, classes];
      const mask = new Float32Array(owners.length * classes).fill(-1e9);
      const members = new Float32Array(tasks.length * owners.length);
      owners.forEach((owner, i) => {
        const first = i * classes + start(owner);
        mask.fill(0, first, first + classCount(tasks[owner]));
        members[owner * owners.length + i] = 1 / batch;
      });
      return {
        owners,
        inputs: {
          ...seen,
          heads,
          mask: { shape, data: mask },
          members: { shape: [tasks.length, owners.length], data: members },
          ...inRows(targets, [1, owners.length]),
        },
      };
    },
  };
}

/** Heads one under another, [1, ΣC, e]. */
function joinedHeads(heads: readonly Head[]): {
  heads: Tensor;
  classes: number;
  starts: readonly number[];
} {
  let classes = 0;
  const starts = heads.map(({ weight }) => {
    const start = classes;
    classes += weight.shape[0] ?? 0;
    return start;
  });
  const width = heads[0]?.weight.shape[1] ?? 0;
  const data = new Float32Array(classes * width);
  heads.forEach(({ weight }, task) => data.set(weight.data, (starts[task] ?? 0) * width));
  return { heads: { shape: [1, classes, width], data }, classes, starts };
}

interface ChosenImage {
  readonly task: AdaptationTask;
  readonly owner: number;
  readonly index: number;
}

/** The images of a step: each task's next batch, dealt out in the order of `owners`. */
function gather(
  tasks: readonly AdaptationTask[],
  owners: Uint32Array,
  step: number,
  { batch, seed }: StepInputOptions,
): ChosenImage[] {
  const queues = new Map<number, { indices: Uint32Array; next: number }>();
  return Array.from(owners, (owner) => {
    const task = tasks[owner];
    if (task === undefined) throw new Error(`no task ${String(owner)}`);
    let queue = queues.get(owner);
    if (queue === undefined) {
      const { store, task: id } = task.images;
      const indices = shuffledBatch([seed, 'adaptation', id], store.count, batch, step - 1);
      queues.set(owner, (queue = { indices, next: 0 }));
    }
    return { task, owner, index: queue.indices[queue.next++] ?? 0 };
  });
}

/** Images, or their features, one after another, and rows of what the experts say of them where they are wanted. */
async function content(
  config: VisionConfig,
  chosen: readonly ChosenImage[],
  classes: number,
  start: (owner: number) => number,
  { objective, encoded, breathe }: StepInputOptions,
): Promise<{ seen: Readonly<Record<string, Tensor>>; targets: Tensor | undefined }> {
  const shape = encoded ? [chosen.length, featureSize(config)] : imageShape(config, chosen.length);
  const data = new Float32Array(elementCount(shape));
  const size = data.length / chosen.length;
  const width = { distillation: classes, representation: featureSize(config), entropy: 0, task: 0 }[
    objective
  ];
  const targets = new Float32Array(chosen.length * width);
  for (let at = 0; at < chosen.length;) {
    // Images of one task that follow each other are read together.
    const { task, owner } = chosen[at] ?? {};
    if (task === undefined || owner === undefined) break;
    let end = at;
    while (end < chosen.length && chosen[end]?.task === task) end++;
    const indices = chosen.slice(at, end).map(({ index }) => index);
    const place = data.subarray(at * size, end * size);
    if (encoded)
      indices.forEach((index, i) => place.set(rowOf(task, task.encoded, index), i * size));
    else await writeImages(task.images, indices, place);
    indices.forEach((index, i) => {
      if (width === 0) return;
      const first = objective === 'distillation' ? start(owner) : 0;
      targets.set(rowOf(task, task.targets, index), (at + i) * width + first);
    });
    at = end;
    await breathe();
  }
  const found = width === 0 ? undefined : { shape: [chosen.length, width], data: targets };
  return { seen: { [encoded ? 'features' : 'images']: { shape, data } }, targets: found };
}

/** The input `targets` of rows, laid out as images are. */
function inRows(targets: Tensor | undefined, places: readonly number[]): { targets?: Tensor } {
  if (targets === undefined) return {};
  const { shape, data } = targets;
  return { targets: { shape: [...places, ...shape.slice(1)], data } };
}

/** What `rows` hold of one image. */
function rowOf(
  { images }: AdaptationTask,
  rows: Float32Array | undefined,
  index: number,
): Float32Array {
  if (rows === undefined) throw new Error(`nothing is known of the images of task ${images.task}`);
  const width = rows.length / images.store.count;
  return rows.subarray(index * width, (index + 1) * width);
}

function classCount(task: AdaptationTask | undefined): number {
  return task?.head.weight.shape[0] ?? 0;
}

/** `count` in parts of `size`, the last perhaps smaller. */
function partition(count: number, size: number): number[] {
  const parts: number[] = [];
  for (let start = 0; start < count; start += size) parts.push(Math.min(size, count - start));
  return parts;
}
