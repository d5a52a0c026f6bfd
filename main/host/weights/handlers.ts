/** Handlers of the Merge view for weights alone. */
import { basename } from 'node:path';
import type {
  WeightsFinished,
  WeightsProgress,
  WeightsScanned,
  WeightsScanProgress,
} from '../../api/weights.ts';
import { NotDownloadedError } from '../../hub/local.ts';
import { methodOf } from '../../merging/planning/check-settings.ts';
import { callError } from '../failures.ts';
import { implementer } from '../implementer.ts';
import { streamOf } from '../stream.ts';
import { describeWeights, inspectWeights } from './describe.ts';
import { mergeWeights } from './merge.ts';
import { weightsMethods } from './methods.ts';
import { weightsPlan } from './prepare.ts';
import { formOf, readFileRecipe } from './recipes.ts';
import { scanWeights } from './scan.ts';
import { summaryOf } from './summary.ts';
import { discardUnfinished } from './unfinished.ts';

const on = implementer.weights;

export const weightsHandlers = {
  methods: on.methods.handler(() => weightsMethods()),

  describe: on.describe.handler(({ input, context: { session } }) =>
    describeWeights(session.pathOf(input.handle)),
  ),

  inspect: on.inspect.handler(({ input, context: { session } }) =>
    inspectWeights(session.pathOf(input.handle)),
  ),

  open: on.open.handler(async ({ input, context: { session } }) => {
    const path = session.pathOf(input.file);
    const nothing = { form: null, fixes: [], file: null, missing: [] };
    try {
      const translation = await readFileRecipe(path);
      const form = formOf(translation, (model) => session.open(model));
      if (form?.source.kind === 'form') {
        return { ...nothing, form: form.source, fixes: form.fixes };
      }
      const { title } = methodOf(translation.recipe.method, path);
      const file = { title: basename(path), summary: summaryOf(translation.recipe, title) };
      return { ...nothing, file };
    } catch (error) {
      if (error instanceof NotDownloadedError) return { ...nothing, missing: [...error.models] };
      throw error;
    }
  }),

  plan: on.plan.handler(({ input, context: { session } }) => weightsPlan(input, session)),

  start: on.start.handler(({ input, context: { session }, signal }) =>
    streamOf<WeightsProgress | WeightsFinished>(
      signal,
      (error) => callError(error, session.log),
      (push, stopped) =>
        session.jobs.merge(stopped, async (ending) => {
          push(await mergeWeights(input, session, ending, push));
        }),
    ),
  ),

  scan: on.scan.handler(({ input, context: { session }, signal }) =>
    streamOf<WeightsScanProgress | WeightsScanned>(
      signal,
      (error) => callError(error, session.log),
      async (push, stopped) => push(await scanWeights(input, session, stopped, push)),
    ),
  ),

  discard: on.discard.handler(async ({ input, context: { session } }) => {
    await session.jobs.stoppedMerge();
    await discardUnfinished(session.pathOf(input.output));
  }),
};
