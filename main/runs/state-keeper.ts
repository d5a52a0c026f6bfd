/** Decides when the state of an adaptation in progress is written to disk. */
import type { AdaptationState } from '../adaptation/adapt.ts';
import { saveState } from './state.ts';

export interface StateKeeperOptions {
  readonly path: string;
  readonly method: string;
  /** Events in the log now. */
  readonly eventCount: () => number;
  /** State is saved at most this often, and never costs more than a tenth of the time. */
  readonly intervalMs: number;
}

export class StateKeeper {
  readonly #options: StateKeeperOptions;
  /** The adaptation goes on changing `state`; it is what was offered only while its step is still `step`. */
  #offered: { state: AdaptationState; step: number; events: number } | undefined;
  #savedStep = 0;
  #nextSave: number;

  constructor(options: StateKeeperOptions) {
    this.#options = options;
    this.#nextSave = performance.now() + options.intervalMs;
  }

  /** To be called after every step, when all events of the step are in the log. */
  async offer(state: AdaptationState): Promise<void> {
    this.#offered = { state, step: state.step, events: this.#options.eventCount() };
    if (performance.now() >= this.#nextSave) await this.saveNow();
  }

  async saveNow(): Promise<void> {
    if (this.#offered === undefined) return;
    const { state, step, events } = this.#offered;
    if (step === this.#savedStep || state.step !== step) return;
    const { path, method, intervalMs } = this.#options;
    const started = performance.now();
    await saveState(path, { method, events, adaptation: state });
    this.#savedStep = step;
    const cost = performance.now() - started;
    this.#nextSave = performance.now() + Math.max(intervalMs, 9 * cost);
  }
}
