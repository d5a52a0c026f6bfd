/** Handlers of the Merge view. */
import { corruptions } from '../data/corruptions/corruptions.ts';
import { usualShape, type BlockShape } from '../engine/calibration-step.ts';
import { blockShape } from '../runs/run-engine.ts';
import { readRunRecipe } from '../runs/run-folder.ts';
import { draftOf, firstDraft } from './drafts.ts';
import { implementer } from './implementer.ts';
import { methodCards } from './method-cards.ts';
import { planOf, startRun } from './plan.ts';
import { runOf } from './run-cards.ts';
import type { Session } from './session.ts';

const on = implementer.merge;

/** Sizes of the base model of the open project, with the usual batch. */
async function draftShape(session: Session): Promise<BlockShape | undefined> {
  const project = await session.openedProject();
  const base = project?.materials.base ?? null;
  if (project === undefined || base === null) return undefined;
  return blockShape(base, usualShape.images, project.folder);
}

export const mergeHandlers = {
  methods: on.methods.handler(() => methodCards()),

  corruptions: on.corruptions.handler(() =>
    corruptions.map(({ id, title, summary }) => ({ id, title, summary })),
  ),

  engines: on.engines.handler(({ input, context: { session } }) =>
    session.engines.list(input.measure, () => draftShape(session)),
  ),

  draft: on.draft.handler(async ({ input, context: { session } }) => {
    const { project } = session;
    if (input.run === null) return firstDraft(project);
    const { recipe } = await readRunRecipe(await runOf(project.folder, input.run));
    return draftOf(recipe, project);
  }),

  plan: on.plan.handler(({ input, context: { session } }) => planOf(input, session)),

  start: on.start.handler(async ({ input, context: { session } }) => ({
    run: (await startRun(input, session)).id,
  })),
};
