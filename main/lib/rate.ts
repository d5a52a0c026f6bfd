/** How fast work goes now: the first steps are slower than the others, so only the last seconds count. */
const windowMs = 15_000;

export class RateWindow {
  readonly #samples: { readonly at: number; readonly done: number }[];

  /** Work begins at `at` (milliseconds of a clock that never goes back) with `done` units done. */
  constructor(at: number, done = 0) {
    this.#samples = [{ at, done }];
  }

  add(at: number, done: number): void {
    this.#samples.push({ at, done });
    while (this.#samples.length > 2 && (this.#samples[0]?.at ?? 0) < at - windowMs) {
      this.#samples.shift();
    }
  }

  /** Units done within the window, and the milliseconds they took until `now`. */
  until(now: number, done: number): { readonly ms: number; readonly count: number } {
    const first = this.#samples[0];
    return first === undefined
      ? { ms: 0, count: 0 }
      : { ms: now - first.at, count: done - first.done };
  }
}
