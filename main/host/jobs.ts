/** The runs in progress: one at a time, as one takes all of the machine. */
import { AppError } from '../lib/errors.ts';
import type { RunFolder } from '../runs/run-folder.ts';
import { Job, type JobInput } from './job.ts';

export class Jobs {
  #current: Job | undefined;
  #starting = false;
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /**
   * Starts what `prepare` makes ready, with nothing started meanwhile. Throws `run.busy` while a run is
   * going on, and what `prepare` throws.
   */
  async start(prepare: () => Promise<JobInput>): Promise<Job> {
    if (this.#starting || this.#current !== undefined) throw busy(this.#current?.run);
    this.#starting = true;
    try {
      const job = new Job(await prepare(), this.#log);
      this.#current = job;
      void job.over.then(() => (this.#current = undefined));
      return job;
    } finally {
      this.#starting = false;
    }
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
    await this.#current?.cancel();
  }
}

function busy(run: RunFolder | undefined): AppError {
  return new AppError('run.busy', {
    what:
      run === undefined
        ? 'another run is being started, and runs take the whole machine'
        : `the run "${run.id}" is going on, and runs take the whole machine`,
    ...(run === undefined ? {} : { where: run.folder }),
    hint: 'wait for it, or cancel it; it can be resumed later',
  });
}
