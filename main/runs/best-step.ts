/**
 * The parameters of the best step of an adaptation so far. Single losses are those of one batch each, so
 * steps are compared by the exponential average m ← β m + (1 − β) loss, divided by 1 − β^t as in Adam, so
 * that its first values are not drawn towards 0.
 */
import type { Tensor } from '../lib/tensor.ts';

const beta = 0.9;

/** All of it, so that a resumed adaptation goes on comparing where it was. */
export interface BestStepState {
  /** m after `seen` losses. */
  readonly average: number;
  readonly seen: number;
  /** The step after which `values` were the parameters, and its smoothed loss. */
  readonly step: number;
  readonly loss: number;
  readonly values: ReadonlyMap<string, Tensor>;
}

export class BestStep {
  #average: number;
  #seen: number;
  #step: number;
  #loss: number;
  readonly #values: Map<string, Tensor>;

  constructor(state?: BestStepState) {
    this.#average = state?.average ?? 0;
    this.#seen = state?.seen ?? 0;
    this.#step = state?.step ?? 0;
    this.#loss = state?.loss ?? Infinity;
    this.#values = new Map(state?.values);
  }

  /** Takes note of a step; `values` are copied when it is the best one. */
  offer(step: number, loss: number, values: ReadonlyMap<string, Tensor>): void {
    this.#seen += 1;
    this.#average = beta * this.#average + (1 - beta) * loss;
    const smoothed = this.#average / (1 - beta ** this.#seen);
    if (!(smoothed < this.#loss)) return;
    this.#loss = smoothed;
    this.#step = step;
    for (const [name, { shape, data }] of values) {
      const kept = this.#values.get(name);
      if (kept === undefined) this.#values.set(name, { shape, data: data.slice() });
      else kept.data.set(data);
    }
  }

  get state(): BestStepState | undefined {
    if (this.#seen === 0) return undefined;
    return {
      average: this.#average,
      seen: this.#seen,
      step: this.#step,
      loss: this.#loss,
      values: this.#values,
    };
  }
}
