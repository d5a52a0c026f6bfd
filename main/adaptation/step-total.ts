/** Sums the results of the calls of one step. */
import { gradientName } from '../graph/gradient.ts';
import type { Tensor } from '../lib/tensor.ts';
import { routingName } from '../models/merged-model.ts';
import type { StepCalls } from './step-inputs.ts';

export class StepTotal {
  loss = 0;
  readonly routing: number[][][] = [];
  readonly #entropy: Float64Array;
  readonly #marginal: Float32Array[];
  readonly #gradients: ReadonlyMap<string, Float32Array>;
  readonly #calls: StepCalls;
  readonly #mixed: boolean;

  /** Of a step of tasks with these numbers of classes. */
  constructor(
    values: ReadonlyMap<string, Tensor>,
    classCounts: readonly number[],
    calls: StepCalls,
    mixed: boolean,
  ) {
    this.#entropy = new Float64Array(classCounts.length);
    this.#marginal = classCounts.map((count) => new Float32Array(count));
    this.#gradients = new Map(
      [...values].map(([name, { data }]) => [name, new Float32Array(data.length)]),
    );
    this.#calls = calls;
    this.#mixed = mixed;
  }

  /** Mean entropy by task. */
  get entropy(): number[] {
    return [...this.#entropy];
  }

  /** Mean prediction of each task over its own classes. */
  get marginal(): readonly Float32Array[] {
    return this.#marginal;
  }

  gradient(name: string): Float32Array {
    const gradient = this.#gradients.get(name);
    if (gradient === undefined) throw new Error(`no gradient for "${name}"`);
    return gradient;
  }

  /** Adds the results of a call whose images are of the tasks `owners`. */
  add(
    results: Readonly<Record<string, Tensor>>,
    owners: Uint32Array,
    { layerCount, batch }: { layerCount: number; batch: number },
  ): void {
    this.loss += results['loss']?.data[0] ?? Number.NaN;
    const first = this.#mixed ? 0 : (owners[0] ?? 0);
    results['entropy']?.data.forEach((entropy, i) => {
      this.#entropy[first + i] = (this.#entropy[first + i] ?? 0) + entropy;
    });
    this.#addMarginal(results['marginal'], first);
    for (const [name, sum] of this.#gradients) {
      results[gradientName(name)]?.data.forEach((slope, i) => (sum[i] = (sum[i] ?? 0) + slope));
    }
    for (let layer = 0; layer < layerCount; layer++) {
      const lambdas = results[routingName(layer)];
      if (lambdas === undefined) continue;
      if (this.#mixed) this.#addRouting(layer, lambdas, owners, batch);
      else (this.routing[layer] ??= []).push(...meanByTask(lambdas, owners.length / batch));
    }
  }

  #addMarginal(marginal: Tensor | undefined, first: number): void {
    const [rows = 0, classes = 0] = marginal?.shape ?? [];
    for (let row = 0; row < rows; row++) {
      const sum = this.#marginal[first + row];
      const start = row * classes + (this.#calls.starts[first + row] ?? 0);
      sum?.forEach((share, c) => (sum[c] = share + (marginal?.data[start + c] ?? 0)));
    }
  }

  /** Every image counts for its task with the λ it had, its own or that of its group. */
  #addRouting(layer: number, { shape, data }: Tensor, owners: Uint32Array, batch: number): void {
    const [rows = 1, experts = 1] = shape;
    const images = owners.length / rows;
    const means = (this.routing[layer] ??= this.#marginal.map(() =>
      new Array<number>(experts).fill(0),
    ));
    owners.forEach((owner, i) => {
      const start = Math.floor(i / images) * experts;
      const mean = means[owner];
      mean?.forEach((sum, k) => (mean[k] = sum + (data[start + k] ?? 0) / batch));
    });
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
