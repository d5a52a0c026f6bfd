/** How far a merge is, at most fifteen times a second. */
import { RateWindow } from '../../lib/rate.ts';

export interface StreamProgress {
  /** The tensor that was worked on last. */
  readonly tensor: string;
  /** Bytes read and written, in all passes. */
  readonly done: number;
  readonly total: number;
  /** Over the last seconds; 0 until that can be said. */
  readonly megabytesPerSecond: number;
  readonly secondsLeft: number | undefined;
}

const INTERVAL_MS = 1000 / 15;

export class ProgressMeter {
  readonly #report: ((progress: StreamProgress) => void) | undefined;
  readonly #total: number;
  readonly #rate = new RateWindow(performance.now());
  #done = 0;
  /** Work of an earlier merge says nothing about the speed of this one. */
  #earlier = 0;
  #reported = -Infinity;

  constructor(total: number, report: ((progress: StreamProgress) => void) | undefined) {
    this.#total = total;
    this.#report = report;
  }

  /** Counts what is there already. */
  skip(bytes: number): void {
    this.#done += bytes;
    this.#earlier += bytes;
  }

  advance(tensor: string, bytes: number): void {
    this.#done += bytes;
    const now = performance.now();
    const fresh = this.#done - this.#earlier;
    this.#rate.add(now, fresh);
    if (now - this.#reported < INTERVAL_MS && this.#done < this.#total) return;
    this.#reported = now;
    const { ms, count } = this.#rate.until(now, fresh);
    const perMs = ms > 0 ? count / ms : 0;
    this.#report?.({
      tensor,
      done: this.#done,
      total: this.#total,
      megabytesPerSecond: perMs / 1000,
      secondsLeft: perMs > 0 ? (this.#total - this.#done) / perMs / 1000 : undefined,
    });
  }
}
