/** Handlers of downloads from the Hub. */
import type { HubFinished, HubProgress } from '../../api/hub.ts';
import { findLocalModel, notDownloaded } from '../../hub/local.ts';
import { formatHubName, isHubReference, requireHubName } from '../../hub/name.ts';
import { withBase, withExpert } from '../../runs/project.ts';
import { bundledPrompts } from '../../text/prompts.ts';
import { callError } from '../failures.ts';
import { implementer } from '../implementer.ts';
import { requireCheckpoints } from '../project.ts';
import { streamOf } from '../stream.ts';

const on = implementer.hub;

function localPath(model: string): string {
  const name = requireHubName(model);
  const found = findLocalModel(name);
  if (found !== undefined) return found;
  throw notDownloaded([name]);
}

export const hubHandlers = {
  state: on.state.handler(({ context: { session } }) => session.hub.state()),

  configure: on.configure.handler(({ input, context: { session } }) =>
    session.hub.configure(input),
  ),

  presets: on.presets.handler(({ context: { session } }) => session.hub.presets()),

  missing: on.missing.handler(async ({ context: { session } }) => {
    const { base, tasks } = (await session.openedProject())?.materials ?? { base: null, tasks: [] };
    const named = [...(base === null ? [] : [base]), ...tasks.map(({ expert }) => expert)];
    const names = named.filter(isHubReference).map(requireHubName);
    const missing = names.filter((name) => findLocalModel(name) === undefined).map(formatHubName);
    return [...new Set(missing)];
  }),

  size: on.size.handler(({ input, context: { session }, signal }) =>
    session.hub.size(input.models, signal),
  ),

  get: on.get.handler(({ input, context: { session }, signal }) =>
    streamOf<HubProgress | HubFinished>(
      signal,
      (error) => callError(error, session.log),
      async (push, stopped) => {
        push(await session.hub.get(input.models, stopped, push));
      },
    ),
  ),

  add: on.add.handler(async ({ input, context: { session } }) => {
    const { project } = session;
    const base = input.base === null ? undefined : localPath(input.base);
    const experts = input.experts.map(({ model, ...named }) => ({ path: localPath(model), named }));
    if (base !== undefined) await requireCheckpoints([base]);
    const { base: former } = project.materials;
    await requireCheckpoints(
      experts.map(({ path }) => path),
      base ?? (former && project.absolute(former)),
    );
    const words =
      experts.length === 0
        ? `base model ${input.base ?? ''}`
        : `adding ${experts.length} ${experts.length === 1 ? 'expert' : 'experts'} of the Hub`;
    await project.edit(words, (materials) =>
      experts.reduce(
        (all, { path, named: { task, title } }) => {
          const expert = project.write(path);
          if (all.tasks.some((known) => known.expert === expert)) return all;
          const head = Object.hasOwn(bundledPrompts, task) ? { prompts: task } : null;
          return withExpert(all, expert, { head, data: null }, { id: task, title });
        },
        base === undefined ? materials : withBase(materials, project.write(base)),
      ),
    );
    return project.overview();
  }),
};
