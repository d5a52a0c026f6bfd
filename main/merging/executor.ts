/**
 * Merges vision encoders into memory, for runs that evaluate the result; whole models become files by
 * `streaming/execute-plan.ts`, to the same values. Methods compute in fp64 and round to fp32 once, so sums
 * of fp16 or bf16 experts are exact and neither order nor grouping can change a byte.
 */
import { availableParallelism } from 'node:os';
import type { Checkpoint, StoredCheckpoint } from '../checkpoints/checkpoint.ts';
import { findNonFinite } from '../checkpoints/half.ts';
import { AppError, throwIfCancelled } from '../lib/errors.ts';
import { elementCount, type Tensor, type TensorMap } from '../lib/tensor.ts';
import { visionTensors } from '../models/vit.ts';
import { checkCompatible } from './compatibility.ts';
import type { GivenParameters } from '../lib/parameters.ts';
import { mergeGroups, readCount, type GroupSource } from './merge-groups.ts';
import type { Group, Method } from './method.ts';
import type { MergePlan } from './plan.ts';
import { resolveSettings, type MethodSettings } from './settings.ts';
import {
  liesInFiles,
  mergeInThreads,
  usefulThreads,
  type ThreadedMerge,
} from './streaming/merge-in-threads.ts';

/** After each tensor of each pass. */
export interface MergeProgress {
  readonly tensor: string;
  /** Tensors done and to do, counting a tensor once for every pass over it. */
  readonly index: number;
  readonly total: number;
  /** Bytes of fp32 values read so far, and to be read in all. */
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface MergeOptions {
  readonly method: Method;
  /** Checked against the method's table; what is left out takes its default. */
  readonly parameters?: GivenParameters;
  /** Of the recipe, for methods that draw at random. */
  readonly seed: number;
  readonly base: Checkpoint;
  /** In recipe order. */
  readonly experts: readonly Checkpoint[];
  readonly onProgress?: ((progress: MergeProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** As many as the machine has processors where not given; small merges are done in this one. */
  readonly threads?: number | undefined;
}

/** What is read in less time than threads take to start. */
const LEAST_THREADED_BYTES = 512 * 1024 * 1024;

/**
 * The merged vision encoder in memory, as `loadVisionModel` gives one, in the order of its architecture;
 * other tensors are left out. Throws what `checkCompatible`, `resolveParameters` and the readers throw,
 * `merge.non_finite`, and CancelledError.
 */
export async function mergeToMemory(options: MergeOptions): Promise<TensorMap> {
  const { method, base, experts } = options;
  const shapes = visionTensors(checkCompatible(base, experts).config);
  const where = `method "${method.id}"`;
  const values = resolveSettings(method, options.parameters ?? {}, experts.length, where);
  const use = { method, seed: options.seed, ...values };
  const passes = readCount(use);
  const progress = new Progress(options.onProgress);
  const source = new CheckpointGroups(base, experts, shapes, progress, options.signal);
  progress.expect(passes * shapes.size, passes * source.bytes);
  const plan = planOf(options, shapes, values);
  const threads = options.threads ?? availableParallelism();
  if (plan !== undefined && passes * source.bytes >= LEAST_THREADED_BYTES) {
    if (usefulThreads(plan, threads) > 1 && (await liesInFiles(plan))) {
      const { signal } = options;
      return await mergeInThreads(plan, {
        threads,
        signal,
        onRange: progress.ofRanges(1 + experts.length),
      });
    }
  }
  const merged = new Map<string, Tensor>();
  for await (const { name, data } of mergeGroups(use, source)) {
    merged.set(name, { shape: shapes.get(name) ?? [], data });
  }
  return merged;
}

/** The same merge for threads, which read files themselves; undefined where a model is not in files. */
function planOf(
  { method, seed, base, experts }: MergeOptions,
  shapes: ReadonlyMap<string, readonly number[]>,
  settings: MethodSettings,
): MergePlan | undefined {
  const checkpoints = [base, ...experts].filter(isStored);
  if (checkpoints.length <= experts.length) return undefined;
  const tensors = [...shapes].map(([name, shape]) => ({
    kind: 'merge' as const,
    name,
    shape,
    dtype: 'F32' as const,
    base: { checkpoint: 0, tensor: name },
    experts: experts.map((_, k) => ({ checkpoint: k + 1, tensor: name })),
    settings,
  }));
  return { checkpoints, method, settings, seed, tensors, companions: [], recipe: '' };
}

function isStored(checkpoint: Checkpoint): checkpoint is StoredCheckpoint {
  return 'locate' in checkpoint;
}

/** Reads the aligned tensors of all models; a group is gone once the next one is asked for. */
class CheckpointGroups implements GroupSource {
  readonly expertCount: number;
  readonly valueCount: number;
  /** Read in one pass. */
  readonly bytes: number;
  readonly #models: readonly Checkpoint[];
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  readonly #progress: Progress;
  readonly #signal: AbortSignal | undefined;
  #checked = false;

  constructor(
    base: Checkpoint,
    experts: readonly Checkpoint[],
    shapes: ReadonlyMap<string, readonly number[]>,
    progress: Progress,
    signal: AbortSignal | undefined,
  ) {
    this.#models = [base, ...experts];
    this.#shapes = shapes;
    this.#progress = progress;
    this.#signal = signal;
    this.expertCount = experts.length;
    this.valueCount = [...shapes.values()].reduce((sum, shape) => sum + elementCount(shape), 0);
    this.bytes = this.valueCount * Float32Array.BYTES_PER_ELEMENT * this.#models.length;
  }

  async *groups(): AsyncGenerator<Group, void, undefined> {
    for (const [name, shape] of this.#shapes) {
      throwIfCancelled(this.#signal);
      const [base, ...experts] = await this.#read(name);
      if (base === undefined) return;
      yield { name, shape, offset: 0, base, experts };
      this.#progress.advance(name, base.byteLength * this.#models.length);
    }
    this.#checked = true;
  }

  skip(): void {
    for (const [name, shape] of this.#shapes) {
      const bytes = elementCount(shape) * Float32Array.BYTES_PER_ELEMENT;
      this.#progress.advance(name, bytes * this.#models.length);
    }
  }

  async #read(name: string): Promise<Float32Array[]> {
    const values: Float32Array[] = [];
    for (const model of this.#models) {
      const { data } = await model.read(name);
      // A reader refuses a file that changes while it is open, so the first pass speaks for all.
      if (!this.#checked) refuseNonFinite(model.path, name, data);
      values.push(data);
    }
    return values;
  }
}

function refuseNonFinite(path: string, name: string, data: Float32Array): void {
  const { count, firstIndex } = findNonFinite(data);
  if (count === 0) return;
  throw new AppError('merge.non_finite', {
    what: `${count} of ${data.length} values are NaN or infinite, the first at index ${firstIndex}`,
    where: `tensor "${name}" of ${path}`,
    hint: 'leave this checkpoint out, or fetch or save it again: its training has probably diverged',
  });
}

class Progress {
  readonly #report: MergeOptions['onProgress'];
  #index = 0;
  #total = 0;
  #bytes = 0;
  #totalBytes = 0;

  constructor(report: MergeOptions['onProgress']) {
    this.#report = report;
  }

  expect(tensors: number, bytes: number): void {
    this.#total += tensors;
    this.#totalBytes += bytes;
  }

  /** Counts ranges of tensors that all of so many models have; a tensor when the last of it was read. */
  ofRanges(models: number): NonNullable<ThreadedMerge['onRange']> {
    const left = new Map<string, number>();
    return ({ name, shape }, { begin, end }) => {
      const count = elementCount(shape);
      const rest = (left.get(name) ?? count) - (end - begin);
      left.set(name, rest === 0 ? count : rest);
      if (rest === 0) this.advance(name, count * models * Float32Array.BYTES_PER_ELEMENT);
    };
  }

  advance(tensor: string, bytes: number): void {
    this.#index++;
    this.#bytes += bytes;
    this.#report?.({
      tensor,
      index: this.#index,
      total: this.#total,
      bytes: this.#bytes,
      totalBytes: this.#totalBytes,
    });
  }
}
