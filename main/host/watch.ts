/** What the window is told of a run: its state and curves so far, then what changes until it is over. */
import type { RunCard, RunUpdate } from '../api/runs.ts';
import { readEvents } from '../runs/events.ts';
import { readRunRecipe, type RunFolder } from '../runs/run-folder.ts';
import { RunCurves, type CurveCursor } from './curves.ts';
import type { Job } from './job.ts';
import { runCard } from './run-cards.ts';
import type { Push } from './stream.ts';

/** At most 15 rounds of updates a second. */
const pauseMs = 70;

/** The curves of a run that is not going on. */
export async function curvesOf(run: RunFolder): Promise<RunCurves> {
  const { recipe } = await readRunRecipe(run);
  return new RunCurves(recipe, await readEvents(run.eventsPath));
}

async function pushFormer(run: RunFolder, push: Push<RunUpdate>): Promise<void> {
  const { recipe } = await readRunRecipe(run);
  const events = await readEvents(run.eventsPath);
  for (const each of new RunCurves(recipe, events).methods) {
    push({ type: 'curves', curves: each.present() });
  }
  for (const event of events) {
    if (event.type !== 'evaluation') continue;
    const { method, task, accuracy } = event;
    push({ type: 'evaluation', method, task, accuracy });
  }
}

/** Settles when the run is over, or when `stopped` fires. */
export async function watchRun(
  run: RunFolder,
  job: Job | undefined,
  push: Push<RunUpdate>,
  stopped: AbortSignal,
): Promise<void> {
  const state = async (): Promise<RunCard> => runCard(run, job?.stateWhileRunning);
  push({ type: 'state', run: await state(), progress: job?.progress ?? null });
  if (job === undefined) return pushFormer(run, push);
  const changes = new Changes(job, push);
  let changed = true;
  let wake: () => void = () => undefined;
  const stir = () => {
    changed = true;
    wake();
  };
  const ignore = job.listen(stir);
  stopped.addEventListener('abort', stir, { once: true });
  void job.over.then(stir);
  try {
    let status = job.stateWhileRunning;
    while (!stopped.aborted) {
      if (!changed) await new Promise<void>((resolve) => (wake = resolve));
      changed = false;
      changes.flush();
      if (job.stateWhileRunning !== status) {
        status = job.stateWhileRunning;
        push({ type: 'state', run: await state(), progress: job.progress });
        if (status === undefined) break;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    if (job.failure !== undefined) push({ type: 'failed', failure: job.failure });
  } finally {
    ignore();
    stopped.removeEventListener('abort', stir);
  }
}

/** Remembers what a listener has, and pushes what is new. */
class Changes {
  readonly #job: Job;
  readonly #push: Push<RunUpdate>;
  readonly #cursors = new Map<string, { cursor: CurveCursor; of: object }>();
  #accuracies = 0;
  #progress: Job['progress'];

  constructor(job: Job, push: Push<RunUpdate>) {
    this.#job = job;
    this.#push = push;
    this.#progress = job.progress;
  }

  flush(): void {
    const { progress, accuracies, curves } = this.#job;
    for (const each of curves.methods) {
      const known = this.#cursors.get(each.method);
      // Of a method that began again, and after thinning, all points are others.
      const same = known?.of === each && known.cursor.generation === each.cursor.generation;
      const points = same ? each.since(known.cursor) : undefined;
      if (!same) this.#push({ type: 'curves', curves: each.present() });
      else if (points !== undefined) this.#push({ type: 'points', points });
      this.#cursors.set(each.method, { cursor: each.cursor, of: each });
    }
    for (const accuracy of accuracies.slice(this.#accuracies)) {
      this.#push({ type: 'evaluation', ...accuracy });
    }
    this.#accuracies = accuracies.length;
    if (progress !== null && progress !== this.#progress)
      this.#push({ type: 'progress', progress });
    this.#progress = progress;
  }
}
