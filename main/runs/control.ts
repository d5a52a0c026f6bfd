/** What a person can tell a run while it works, beside cancelling it by its signal. */
export class RunControl {
  #paused = false;
  #keepBest = false;
  #wake: (() => void) | undefined;
  #heldMs = 0;

  get paused(): boolean {
    return this.#paused;
  }

  /** How long the work was held in all: no part of the time it took. */
  get heldMs(): number {
    return this.#heldMs;
  }

  /** Holds the work before its next step or batch. */
  pause(): void {
    this.#paused = true;
  }

  unpause(): void {
    this.#paused = false;
    this.#wake?.();
  }

  /** Ends the adaptation in progress after its present step, with the parameters of its best one. */
  keepBest(): void {
    this.#keepBest = true;
    this.unpause();
  }

  /** Whether `keepBest` was called since the last question. */
  takeKeepBest(): boolean {
    const asked = this.#keepBest;
    this.#keepBest = false;
    return asked;
  }

  /** Settles when the work may go on, or is cancelled. */
  async hold(signal: AbortSignal | undefined): Promise<void> {
    const began = performance.now();
    while (this.#paused && signal?.aborted !== true) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.#heldMs += performance.now() - began;
  }
}
