/** Handlers of the Runs view, and of the control of the run in progress. */
import { readRunReport } from '../runs/run-folder.ts';
import { implementer } from './implementer.ts';
import { runCard, runCards, runOf } from './run-cards.ts';

const on = implementer.runs;

export const runsHandlers = {
  list: on.list.handler(({ context: { session } }) =>
    runCards(session.project.folder, () => undefined),
  ),

  get: on.get.handler(async ({ input, context: { session } }) =>
    runCard(await runOf(session.project.folder, input.run)),
  ),

  report: on.report.handler(async ({ input, context: { session } }) =>
    readRunReport(await runOf(session.project.folder, input.run)),
  ),
};
