/** Handlers of the Project view. */
import { basename } from 'node:path';
import { openExpert } from '../checkpoints/open-model.ts';
import { spriteSheetAt } from '../data/labelled-set.ts';
import { AppError } from '../lib/errors.ts';
import { withBase, withExpert, withoutTask, withTask, withTaskAt } from '../runs/project.ts';
import { bundledNameOf, bundledPrompts } from '../text/prompts.ts';
import { callError } from './failures.ts';
import { corruptedTiles } from './corrupted-tiles.ts';
import { tilesOf } from './image-sets.ts';
import { implementer } from './implementer.ts';
import { streamOf } from './stream.ts';
import { strangerError } from './strangers.ts';

const on = implementer.project;

/** What is no checkpoint does not become a part of the project. Throws what `openCheckpoint` throws. */
export async function requireCheckpoints(
  paths: readonly string[],
  base?: string | null,
): Promise<void> {
  for (const path of paths) {
    try {
      await (await openExpert(path, base ?? undefined)).close();
    } catch (error) {
      throw await strangerError(error, path);
    }
  }
}

/** How a project names the image set at `path`: a sprite sheet by its description. */
async function dataPath(path: string): Promise<string> {
  return (await spriteSheetAt(path)) ?? path;
}

export const projectHandlers = {
  open: on.open.handler(async ({ input, context: { session } }) => {
    const project = await session.openProject(session.pathOf(input.handle));
    return project.overview();
  }),

  overview: on.overview.handler(
    async ({ context: { session } }) => (await (await session.openedProject())?.overview()) ?? null,
  ),

  setBase: on.setBase.handler(async ({ input, context: { session } }) => {
    const { project } = session;
    const path = session.pathOf(input.handle);
    await requireCheckpoints([path]);
    await project.edit(`base model ${basename(path)}`, (m) => withBase(m, project.write(path)));
    return project.overview();
  }),

  addExperts: on.addExperts.handler(async ({ input, context: { session } }) => {
    const { project } = session;
    const paths = input.handles.map((handle) => session.pathOf(handle));
    const { base } = project.materials;
    await requireCheckpoints(paths, base && project.absolute(base));
    const [first = ''] = paths;
    const words =
      paths.length === 1 ? `adding ${basename(first)}` : `adding ${paths.length} experts`;
    await project.edit(words, (materials) =>
      paths.reduce(
        (all, path) => withExpert(all, project.write(path), project.companions(path)),
        materials,
      ),
    );
    return project.overview();
  }),

  setTask: on.setTask.handler(async ({ input, context: { session } }) => {
    const { project } = session;
    const { task, title, head, data, unlabelled } = input;
    const written = (handle: string) => project.write(session.pathOf(handle));
    const described = async (handle: string) =>
      project.write(await dataPath(session.pathOf(handle)));
    const sets = {
      ...(data === undefined ? {} : { data: await described(data) }),
      ...(unlabelled === undefined
        ? {}
        : { unlabelled: unlabelled === null ? undefined : await described(unlabelled) }),
    };
    await project.edit(`changing task ${task}`, (materials) =>
      withTask(materials, task, {
        ...(title === undefined ? {} : { title }),
        ...(head === undefined ? {} : { head: written(head) }),
        ...sets,
      }),
    );
    return project.overview();
  }),

  bundledPrompts: on.bundledPrompts.handler(() =>
    Object.entries(bundledPrompts).map(([id, { title, classes, templates, note }]) => ({
      id,
      title,
      classes: [...classes],
      templates: [...templates],
      note: note ?? null,
    })),
  ),

  setZeroShotHead: on.setZeroShotHead.handler(async ({ input, context: { session } }) => {
    const { project } = session;
    const { task, prompts, source, model: chosen } = input;
    const { head: former } = project.task(task);
    const kept = former === null || typeof former === 'string' ? undefined : former.model;
    const named = chosen === undefined || chosen === 'base' ? undefined : session.pathOf(chosen);
    const model =
      named === undefined ? (chosen === 'base' ? undefined : kept) : project.write(named);
    await project.edit(`class names of task ${task}`, (materials) =>
      withTask(materials, task, {
        head: {
          prompts: bundledNameOf(prompts, source) ?? prompts,
          ...(model === undefined ? {} : { model }),
        },
      }),
    );
    return project.overview();
  }),

  removeTask: on.removeTask.handler(async ({ input, context: { session } }) => {
    await session.project.edit(`removing task ${input.task}`, (m) => withoutTask(m, input.task));
    return session.project.overview();
  }),

  moveTask: on.moveTask.handler(async ({ input: { task, to }, context: { session } }) => {
    await session.project.edit(`moving task ${task}`, (m) => withTaskAt(m, task, to));
    return session.project.overview();
  }),

  undo: on.undo.handler(async ({ context: { session } }) => {
    await session.project.undo();
    return session.project.overview();
  }),

  redo: on.redo.handler(async ({ context: { session } }) => {
    await session.project.redo();
    return session.project.overview();
  }),

  taskVectors: on.taskVectors.handler(({ context: { session }, signal }) => {
    const { project } = session;
    return streamOf(
      signal,
      (error) => callError(error, session.log),
      async (push, stopped) => {
        const report = await session.taskVectors.measure(project, {
          signal: stopped,
          onProgress: (done, total) => push({ type: 'progress', done, total }),
        });
        push({ type: 'report', ...report });
      },
    );
  }),

  tiles: on.tiles.handler(async ({ input, context: { session } }) => {
    const { project } = session;
    const { data } = project.task(input.task);
    if (data === null) {
      throw new AppError('project.incomplete', {
        what: `task "${input.task}" has no image set`,
        hint: 'choose the image set of the task first',
      });
    }
    const store = await session.imageSets.get(project.absolute(data));
    const beyond = input.images.find((image) => image >= store.count);
    if (beyond !== undefined) {
      throw new AppError('data.invalid', {
        what: `the image set of task "${input.task}" has no image ${beyond}`,
        hint: `it has ${store.count} images; open the project again if the set was changed`,
      });
    }
    const clean = await tilesOf(store, input.images);
    const { size } = clean;
    const pixels = await corruptedTiles(clean, input);
    return { size, count: input.images.length, pixels: Buffer.from(pixels).toString('base64') };
  }),
};
