/** What a person can do to a project; each can be undone. */
import type { BundledPrompts, PromptsToEdit, TaskCard } from '../../../main/api/project.ts';
import type { Chosen } from '../../../main/api/shell.ts';
import { choose } from '../../lib/choose.ts';
import { compute } from '../../lib/connection.ts';
import { history } from '../../lib/history.svelte.ts';
import { project } from '../../lib/project.svelte.ts';
import { toasts } from '../../lib/toasts.svelte.ts';

export type ImagePart = 'data' | 'unlabelled';

/** Whether a task has a head and images, and all of them can be used. */
export function isComplete(task: TaskCard): boolean {
  const { head, headProblem, data, dataProblem, unlabelledProblem } = task;
  const problems = [headProblem, dataProblem, unlabelledProblem];
  return head !== null && data !== null && problems.every((problem) => problem === null);
}

export async function chooseBase(): Promise<void> {
  const [chosen] = await choose('base');
  if (chosen !== undefined) await setBase(chosen.handle);
}

async function setBase(handle: string): Promise<void> {
  await project.edit('Choose base model', () => compute.project.setBase({ handle }));
}

export async function chooseExperts(): Promise<void> {
  const chosen = await choose('experts');
  if (chosen.length > 0) await addExperts(chosen.map(({ handle }) => handle));
}

async function addExperts(handles: string[]): Promise<void> {
  await project.edit('Add checkpoints', () => compute.project.addExperts({ handles }));
}

/** What is dropped on the row of a task is its image set, unless it is a checkpoint; else see `addDropped`. */
export async function takeDropped(
  dropped: readonly Chosen[],
  row: string | undefined,
): Promise<void> {
  const task = project.tasks.find(({ id }) => id === row);
  const [only] = dropped;
  const images = task !== undefined && only !== undefined && dropped.length === 1;
  if (!images || (await isCheckpoint(only.handle))) {
    await addDropped(dropped.map(({ handle }) => handle));
  } else if (await setImages(task, { data: only.handle })) {
    toasts.show({
      kind: 'note',
      text: `${task.title} has the images of ${only.title}`,
      action: { title: 'Undo', run: () => void history.undo() },
    });
  }
}

async function isCheckpoint(handle: string): Promise<boolean> {
  return compute.weights.describe({ handle }).then(
    () => true,
    () => false,
  );
}

/** Becomes experts; the first single thing that an empty project gets is its base model. */
async function addDropped(handles: string[]): Promise<void> {
  const [first] = handles;
  const empty = project.overview?.base === null && project.overview.baseProblem === null;
  if (first !== undefined && handles.length === 1 && empty) await setBase(first);
  else await addExperts(handles);
}

export async function chooseHead(task: TaskCard): Promise<void> {
  const [head] = await choose('head');
  if (head === undefined) return;
  await project.edit(`Choose the head of ${task.title}`, () =>
    compute.project.setTask({ task: task.id, head: head.handle }),
  );
}

/** The class names and templates that come with the program; none where they cannot be had. */
export async function bundledPrompts(): Promise<BundledPrompts[]> {
  try {
    return await compute.project.bundledPrompts();
  } catch (error) {
    toasts.error(error);
    return [];
  }
}

/** A CLIP model of the person's choice, to encode class names with. */
export async function chooseClip(): Promise<{ handle: string; title: string } | undefined> {
  const [chosen] = await choose('base');
  return chosen;
}

/** Whether the names were taken. */
export async function setPrompts(
  task: TaskCard,
  prompts: PromptsToEdit,
  { source, model }: { readonly source: string; readonly model: string | undefined },
): Promise<boolean> {
  return project.edit(`Class names of ${task.title}`, () =>
    compute.project.setZeroShotHead({
      task: task.id,
      prompts,
      source,
      ...(model === undefined ? {} : { model }),
    }),
  );
}

/** Asks for the images of a task. A system's dialog shows folders or files, so there is a purpose for either. */
export async function chooseImages(
  task: TaskCard,
  part: ImagePart,
  purpose: 'data' | 'data-file',
): Promise<void> {
  const [chosen] = await choose(purpose);
  if (chosen !== undefined) await setImages(task, { [part]: chosen.handle });
}

/** Sets the images that are measured, or those to adapt to; null: the same. */
export async function setImages(
  task: TaskCard,
  images: { readonly data?: string; readonly unlabelled?: string | null },
): Promise<boolean> {
  return project.edit(`Choose the images of ${task.title}`, () =>
    compute.project.setTask({ task: task.id, ...images }),
  );
}

export async function rename(task: TaskCard, title: string): Promise<void> {
  const trimmed = title.trim();
  if (trimmed === '' || trimmed === task.title) return;
  await project.edit(`Rename ${task.title}`, () =>
    compute.project.setTask({ task: task.id, title: trimmed }),
  );
}

export async function removeTask(task: TaskCard): Promise<void> {
  const removed = await project.edit(`Remove ${task.title}`, () =>
    compute.project.removeTask({ task: task.id }),
  );
  if (!removed) return;
  toasts.show({
    kind: 'note',
    text: `${task.title} was taken out of the project; its files stay where they are`,
    action: { title: 'Undo', run: () => void history.undo() },
  });
}

export async function moveTask(task: TaskCard, to: number): Promise<void> {
  if (to < 0 || to >= project.tasks.length) return;
  await project.edit(`Move ${task.title}`, () => compute.project.moveTask({ task: task.id, to }));
}
