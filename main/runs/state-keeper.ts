/** Decides when the state of an adaptation in progress is written to disk. */
import { saveState, type SavedState } from './state.ts';

export interface StateKeeperOptions {
  readonly path: string;
  readonly method: string;
  /** Events in the log now. */
  readonly eventCount: () => number;
  /** State is saved at most this often, and never costs more than a tenth of the time. */
  readonly intervalMs: number;
}

/** What a method has to save; the rest is the keeper's to know. */
export type StateToKeep = Omit<SavedState, 'method' | 'events'>;

export class StateKeeper {
  readonly #options: StateKeeperOptions;
  /** The adaptation goes on changing its state; it is what was offered only while its step is still `step`. */
  #offered: { state: StateToKeep; step: number; events: number } | undefined;
  #savedStep = 0;
  #nextSave: number;

  constructor(options: StateKeeperOptions) {
    this.#options = options;
    this.#nextSave = performance.now() + options.intervalMs;
  }

  /** To be called after every step, when all events of the step are in the log. */
  async offer(state: StateToKeep): Promise<void> {
    this.#offered = { state, step: state.adaptation.step, events: this.#options.eventCount() };
    if (state.stopped !== undefined) this.#savedStep = 0; // Saved again: the values are others now.
    if (performance.now() >= this.#nextSave || state.stopped !== undefined) await this.saveNow();
  }

  async saveNow(): Promise<void> {
    if (this.#offered === undefined) return;
    const { state, step, events } = this.#offered;
    if (step === this.#savedStep || state.adaptation.step !== step) return;
    const { path, method, intervalMs } = this.#options;
    const started = performance.now();
    await saveState(path, { method, events, ...state });
    this.#savedStep = step;
    const cost = performance.now() - started;
    this.#nextSave = performance.now() + Math.max(intervalMs, 9 * cost);
  }
}
