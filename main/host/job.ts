/** One run in progress: what it is doing, how fast, and who is told. */
import type { Failure } from '../api/common.ts';
import type { RunProgress, RunState } from '../api/runs.ts';
import type { ChosenEngine } from '../engine/choice.ts';
import { CancelledError } from '../lib/errors.ts';
import { RateWindow } from '../lib/rate.ts';
import { RunControl } from '../runs/control.ts';
import type { MethodSeconds } from '../runs/estimate.ts';
import type { RunEvent } from '../runs/events.ts';
import { runJob, type JobOptions } from '../runs/job.ts';
import type { Recipe, RecipeMethod } from '../runs/recipe.ts';
import type { RunFolder } from '../runs/run-folder.ts';
import { RunCurves } from './curves.ts';
import { failureOf } from './failures.ts';

type Phase = RunProgress['phase'];

export interface TaskAccuracy {
  readonly method: string;
  readonly task: string;
  readonly accuracy: number;
}

export interface JobInput {
  readonly run: RunFolder;
  readonly recipe: Recipe;
  readonly engine: ChosenEngine;
  /** Seconds that each method is expected to take, by id, for the time that is left of the run. */
  readonly expected: ReadonlyMap<string, MethodSeconds>;
}

/** What earlier runs of the session computed and this one may need. */
export type SharedResults = Pick<JobOptions, 'experts' | 'adaptations'>;

export class Job {
  readonly run: RunFolder;
  readonly recipe: Recipe;
  curves: RunCurves;
  /** Accuracies measured so far, in order. */
  readonly accuracies: TaskAccuracy[] = [];
  /** Settles when the job is over, however it ends. */
  readonly over: Promise<void>;
  progress: RunProgress | null = null;
  failure: Failure | undefined;
  readonly #control = new RunControl();
  readonly #cancel = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #expected: JobInput['expected'];
  #rate: RateWindow | undefined;
  #work = '';
  #over = false;
  /** Actual and expected seconds of the methods done here: how wrong the expectation is. */
  readonly #taken = { actual: 0, expected: 0 };
  #methodBegan = performance.now();

  /** `log` gets bugs: a failing run is its own message. */
  constructor(
    { run, recipe, engine, expected }: JobInput,
    shared: SharedResults,
    log: (line: string) => void,
  ) {
    this.run = run;
    this.recipe = recipe;
    this.curves = new RunCurves(recipe);
    this.#expected = expected;
    this.over = this.#execute(engine, shared, log);
  }

  /** Undefined when the job is over: the disk knows how it ended. */
  get stateWhileRunning(): RunState | undefined {
    if (this.#over) return undefined;
    return this.#control.paused ? 'paused' : 'running';
  }

  get adapting(): boolean {
    return this.progress?.phase === 'adapting';
  }

  pause(): void {
    this.#control.pause();
    this.#tell();
  }

  unpause(): void {
    this.#control.unpause();
    this.#rate = undefined; // The pause is no part of the speed.
    this.#tell();
  }

  keepBest(): void {
    this.#control.keepBest();
    this.#tell();
  }

  async cancel(): Promise<void> {
    this.#cancel.abort();
    await this.over;
  }

  /** Calls `listener` whenever anything has changed; returns how to end that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  async #execute(
    engine: ChosenEngine,
    shared: SharedResults,
    log: (line: string) => void,
  ): Promise<void> {
    try {
      await runJob(this.run, {
        engine,
        ...shared,
        signal: this.#cancel.signal,
        control: this.#control,
        onLoad: ({ what, done, total }) => this.#report(null, 'loading', what, done, total),
        onResume: (events) => this.#goOn(events),
        onEvent: (event) => this.#note(event),
        onProgress: ({ id }, { phase, done, total, unit }) =>
          this.#report(id, phase, unit, done, total),
        onExport: (format, stage) =>
          this.#report(this.progress?.method ?? null, 'exporting', `${format}, ${stage}`, 0, 0),
      });
    } catch (error) {
      if (error instanceof CancelledError) return;
      this.failure = failureOf(error);
      if (this.failure === undefined) {
        log(`run ${this.run.id}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`);
      }
    } finally {
      this.progress = null;
      this.#over = true;
    }
  }

  #goOn(events: readonly RunEvent[]): void {
    this.curves = new RunCurves(this.recipe, events);
    for (const event of events) this.#noteAccuracy(event);
  }

  #noteAccuracy(event: RunEvent): void {
    if (event.type !== 'evaluation') return;
    const { method, task, accuracy } = event;
    this.accuracies.push({ method, task, accuracy });
  }

  #note(event: RunEvent): void {
    this.curves.add(event);
    this.#noteAccuracy(event);
    if (event.type === 'method.started') {
      this.#methodBegan = performance.now();
    } else if (event.type === 'method.finished') {
      this.#taken.actual += (performance.now() - this.#methodBegan) / 1000;
      this.#taken.expected += total(this.#expected.get(event.method));
    }
    this.#tell();
  }

  #report(method: string | null, phase: Phase, detail: string, done: number, all: number): void {
    const now = performance.now();
    const work = `${String(method)} ${phase}`;
    // The first report of some work, also of a resumed one, is where its speed is measured from.
    if (work !== this.#work || this.#rate === undefined) this.#rate = new RateWindow(now, done);
    else this.#rate.add(now, done);
    this.#work = work;
    const { ms, count } = this.#rate.until(now, done);
    const rate = ms > 0 && count > 0 ? (1000 * count) / ms : null;
    const secondsLeft = rate === null ? null : Math.max(0, all - done) / rate;
    const methods = this.recipe.methods;
    const position = methods.findIndex(({ id }) => id === method);
    this.progress = {
      method,
      phase,
      detail,
      done,
      total: all,
      rate,
      secondsLeft,
      runSecondsLeft: this.#runSecondsLeft(phase, position, secondsLeft),
      methodsDone: Math.max(0, position),
      methodsTotal: methods.length,
    };
    this.#tell();
  }

  #runSecondsLeft(phase: Phase, position: number, ofPhase: number | null): number | null {
    const known = this.recipe.methods.every(({ id }) => this.#expected.has(id));
    if (!known || ofPhase === null) return null;
    const { actual, expected } = this.#taken;
    const correction = expected > 0 ? actual / expected : 1;
    const later = (entries: readonly RecipeMethod[]) =>
      entries.reduce((sum, { id }) => sum + total(this.#expected.get(id)), 0);
    const current = this.recipe.methods[position];
    const evaluation =
      current === undefined || phase === 'evaluating'
        ? 0
        : (this.#expected.get(current.id)?.evaluate ?? 0);
    return ofPhase + correction * (evaluation + later(this.recipe.methods.slice(position + 1)));
  }
}

function total(seconds: MethodSeconds | undefined): number {
  return seconds === undefined ? 0 : seconds.prepare + seconds.adapt + seconds.evaluate;
}
