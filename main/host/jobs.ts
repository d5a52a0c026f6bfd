/** What takes all of the machine, one at a time: runs, and merges of weights. */
import { AppError } from '../lib/errors.ts';
import { Adaptations } from '../runs/adaptations.ts';
import { ExpertResults } from '../runs/expert-results.ts';
import type { RunFolder } from '../runs/run-folder.ts';
import { Job, type JobInput } from './job.ts';

export class Jobs {
  #current: Job | undefined;
  #starting = false;
  #merge: { readonly over: Promise<unknown>; readonly signal: AbortSignal } | undefined;
  /** Rows of an experiment are runs of their own, started one after another. */
  readonly #shared = { experts: new ExpertResults(), adaptations: new Adaptations() };
  readonly #closing = new AbortController();
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /**
   * Starts what `prepare` makes ready, with nothing started meanwhile. Throws `run.busy` while a run or a
   * merge of weights is going on, and what `prepare` throws.
   */
  async start(prepare: () => Promise<JobInput>): Promise<Job> {
    await this.stoppedMerge();
    this.#requireIdle();
    this.#starting = true;
    try {
      const job = new Job(await prepare(), this.#shared, this.#log);
      this.#current = job;
      void job.over.then(() => (this.#current = undefined));
      return job;
    } finally {
      this.#starting = false;
    }
  }

  /**
   * Merges weights, with nothing else going on meanwhile. The signal fires when `stopped` does, and when this
   * process is to end. Throws `run.busy`, and what `work` throws.
   */
  async merge<Result>(
    stopped: AbortSignal,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    await this.stoppedMerge();
    this.#requireIdle();
    const signal = AbortSignal.any([stopped, this.#closing.signal]);
    const merging = work(signal);
    this.#merge = { over: merging, signal };
    try {
      return await merging;
    } finally {
      this.#merge = undefined;
    }
  }

  /** Settles when no merge that was told to stop is still about to. */
  async stoppedMerge(): Promise<void> {
    if (this.#merge?.signal.aborted === true) await this.#merge.over.catch(() => undefined);
  }

  #requireIdle(): void {
    if (this.#merge !== undefined) throw busy('a merge of weights is going on');
    const run = this.#current?.run;
    if (run !== undefined) throw busy(`the run "${run.id}" is going on`, run);
    if (this.#starting) throw busy('another run is being started');
  }

  /** The job that works on `run`. */
  of(run: RunFolder): Job | undefined {
    return this.#current?.run.folder === run.folder ? this.#current : undefined;
  }

  /** Throws `run.idle`. */
  required(run: RunFolder): Job {
    const job = this.of(run);
    if (job !== undefined) return job;
    throw new AppError('run.idle', {
      what: `the run "${run.id}" is not going on`,
      where: run.folder,
      hint: 'resume it first',
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#current?.cancel(), this.stoppedMerge()]);
  }
}

function busy(what: string, run?: RunFolder): AppError {
  return new AppError('run.busy', {
    what: `${what}, and takes the whole machine`,
    ...(run === undefined ? {} : { where: run.folder }),
    hint: 'wait for it, or cancel it; it can be gone on with later',
  });
}
