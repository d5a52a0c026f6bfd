/** Handlers of the Runs view, and of the control of the run in progress. */
import type { RunCard, RunUpdate } from '../api/runs.ts';
import { AppError } from '../lib/errors.ts';
import { writeNotes } from '../runs/notes.ts';
import { recipeDifferences } from '../runs/recipe-difference.ts';
import { formatRecipe } from '../runs/recipe.ts';
import { readRunRecipe, readRunReport, type RunFolder } from '../runs/run-folder.ts';
import { restoreRun, trashRun } from '../runs/trash.ts';
import { callError } from './failures.ts';
import { implementer } from './implementer.ts';
import type { Job } from './job.ts';
import { resumeRun } from './plan.ts';
import { runCard, runCards, runOf } from './run-cards.ts';
import type { Session } from './session.ts';
import { streamOf } from './stream.ts';
import { curvesOf, watchRun } from './watch.ts';

const on = implementer.runs;

const found = (session: Session, id: string): Promise<RunFolder> =>
  runOf(session.project.folder, id);

const card = (session: Session, run: RunFolder): Promise<RunCard> =>
  runCard(run, session.jobs.of(run)?.stateWhileRunning);

/** Tells the job of a run something. Throws `run.idle` when it is not going on. */
async function tell(
  session: Session,
  id: string,
  what: (job: Job) => void | Promise<void>,
): Promise<RunCard> {
  const run = await found(session, id);
  await what(session.jobs.required(run));
  return card(session, run);
}

function notAdapting(run: RunFolder): AppError {
  return new AppError('run.idle', {
    what: 'no adaptation is in progress that could be ended',
    where: run.folder,
    hint: 'wait for the next method that adapts, or cancel the run',
  });
}

export const runsHandlers = {
  list: on.list.handler(({ context: { session } }) =>
    runCards(session.project.folder, (run) => session.jobs.of(run)?.stateWhileRunning),
  ),

  get: on.get.handler(async ({ input, context: { session } }) =>
    card(session, await found(session, input.run)),
  ),

  watch: on.watch.handler(async ({ input, context: { session }, signal }) => {
    const run = await found(session, input.run);
    return streamOf<RunUpdate>(
      signal,
      (error) => callError(error, session.log),
      (push, stopped) => watchRun(run, session.jobs.of(run), push, stopped),
    );
  }),

  curves: on.curves.handler(async ({ input, context: { session } }) => {
    const run = await found(session, input.run);
    const curves = session.jobs.of(run)?.curves ?? (await curvesOf(run));
    return curves.methods.map((each) => each.present());
  }),

  report: on.report.handler(async ({ input, context: { session } }) =>
    readRunReport(await found(session, input.run)),
  ),

  recipe: on.recipe.handler(async ({ input, context: { session } }) => {
    const { recipe } = await readRunRecipe(await found(session, input.run));
    return { text: formatRecipe(recipe) };
  }),

  diff: on.diff.handler(async ({ input, context: { session } }) => {
    const a = await readRunRecipe(await found(session, input.a));
    const b = await readRunRecipe(await found(session, input.b));
    return recipeDifferences(a.recipe, b.recipe);
  }),

  pause: on.pause.handler(({ input, context: { session } }) =>
    tell(session, input.run, (job) => job.pause()),
  ),

  unpause: on.unpause.handler(({ input, context: { session } }) =>
    tell(session, input.run, (job) => job.unpause()),
  ),

  keepBest: on.keepBest.handler(({ input, context: { session } }) =>
    tell(session, input.run, (job) => {
      if (!job.adapting) throw notAdapting(job.run);
      job.keepBest();
    }),
  ),

  cancel: on.cancel.handler(({ input, context: { session } }) =>
    tell(session, input.run, (job) => job.cancel()),
  ),

  resume: on.resume.handler(async ({ input, context: { session } }) => {
    const run = await found(session, input.run);
    await resumeRun(run, session);
    return card(session, run);
  }),

  annotate: on.annotate.handler(async ({ input, context: { session } }) => {
    const run = await found(session, input.run);
    const { note, starred } = input;
    await writeNotes(run, {
      ...(note === undefined ? {} : { note }),
      ...(starred === undefined ? {} : { starred }),
    });
    return card(session, run);
  }),

  remove: on.remove.handler(async ({ input, context: { session } }) => {
    await trashRun(session.project.folder, input.run);
  }),

  restore: on.restore.handler(async ({ input, context: { session } }) =>
    card(session, await restoreRun(session.project.folder, input.run)),
  ),
};
