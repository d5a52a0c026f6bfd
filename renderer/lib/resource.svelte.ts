/** Something a view loads: its value, that it is on its way, or why it failed. */
import { isAbort, toFailure, type Failure } from './errors.ts';

export class Resource<T> {
  /** The last value; kept while a newer one is loaded, so that a view does not flicker. */
  value = $state.raw<T | undefined>();
  failure = $state.raw<Failure | undefined>();
  loading = $state(false);
  private turn = 0;
  private abort: AbortController | undefined;
  private last: ((signal: AbortSignal) => Promise<T>) | undefined;

  /** Loads; an earlier load that has not finished is given up, so the value is always that of the last call. */
  async load(fetch: (signal: AbortSignal) => Promise<T>): Promise<void> {
    const turn = ++this.turn;
    this.abort?.abort();
    this.abort = new AbortController();
    this.last = fetch;
    this.loading = true;
    try {
      const value = await fetch(this.abort.signal);
      if (turn !== this.turn) return;
      this.value = value;
      this.failure = undefined;
    } catch (error) {
      if (turn !== this.turn) return;
      if (!(isAbort(error) && this.abort.signal.aborted)) this.failure = toFailure(error);
    } finally {
      if (turn === this.turn) this.loading = false;
    }
  }

  /** Does the last load again. */
  async retry(): Promise<void> {
    if (this.last !== undefined) await this.load(this.last);
  }

  /** Forgets the value and gives up what is being loaded. */
  clear(): void {
    this.turn++;
    this.abort?.abort();
    this.value = undefined;
    this.failure = undefined;
    this.loading = false;
  }
}
