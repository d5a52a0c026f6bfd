/** The open project, and edits of it that can be undone. */
import type { ProjectOverview, TaskCard } from '../../main/api/project.ts';
import { taskColourAt } from './colours.ts';
import { compute } from './connection.ts';
import { toFailure, type Failure } from './errors.ts';
import { history } from './history.svelte.ts';
import { navigation } from './navigation.svelte.ts';
import { theme } from './theme.svelte.ts';
import { forgetTiles } from './tiles.ts';
import { toasts } from './toasts.svelte.ts';

export type ProjectPhase = 'starting' | 'opening' | 'open' | 'none' | 'failed';

let phase = $state<ProjectPhase>('starting');
let overview = $state.raw<ProjectOverview | undefined>();
let failure = $state.raw<Failure | undefined>();
/** What is being opened, while it is. */
let opening = $state('');
let editing = $state(0);
/** Colours are given in the order in which tasks are first seen, so that reordering does not change them. */
let colourIndices: readonly string[] = [];

function accept(next: ProjectOverview): void {
  for (const task of next.tasks) colourIndex(task.id);
  overview = next;
  phase = 'open';
  failure = undefined;
}

function colourIndex(task: string): number {
  const known = colourIndices.indexOf(task);
  if (known >= 0) return known;
  colourIndices = [...colourIndices, task];
  return colourIndices.length - 1;
}

export const project = {
  get phase(): ProjectPhase {
    return phase;
  },
  /** Undefined unless a project is open. */
  get overview(): ProjectOverview | undefined {
    return overview;
  },
  get failure(): Failure | undefined {
    return failure;
  },
  get opening(): string {
    return opening;
  },
  /** An edit is on its way to the compute process. */
  get editing(): boolean {
    return editing > 0;
  },
  get tasks(): readonly TaskCard[] {
    return overview?.tasks ?? [];
  },

  /** The title of a task, or its id where the project no longer has it. */
  taskTitle(id: string): string {
    return overview?.tasks.find((task) => task.id === id)?.title ?? id;
  },

  /** The colour of a task under the theme in use: the same everywhere. */
  taskColour(id: string): string {
    return taskColourAt(colourIndex(id), theme.dark);
  },

  /** Opens the project behind a handle and leaves the one that was open. */
  async open(chosen: { readonly handle: string; readonly title: string }): Promise<boolean> {
    opening = chosen.title;
    if (overview === undefined) phase = 'opening';
    try {
      const next = await compute.project.open({ handle: chosen.handle });
      colourIndices = [];
      forgetTiles();
      history.clear();
      navigation.reset();
      accept(next);
      return true;
    } catch (error) {
      if (overview === undefined) {
        failure = toFailure(error);
        phase = 'failed';
      } else {
        toasts.error(error);
      }
      return false;
    } finally {
      opening = '';
    }
  },

  /** Takes the compute process's word: after a start of it, or when something changed behind the window's back. */
  async refresh(): Promise<boolean> {
    const next = await compute.project.overview();
    if (next === null) return false;
    accept(next);
    return true;
  },

  /** No project could be found to open. */
  none(): void {
    phase = 'none';
  },

  fail(error: unknown): void {
    failure = toFailure(error);
    phase = 'failed';
  },

  /** Makes an edit that the compute process can undo; tells of failures. Returns whether it was made. */
  async edit(title: string, change: () => Promise<ProjectOverview>): Promise<boolean> {
    editing++;
    try {
      accept(await change());
      history.add({
        title,
        undo: async () => accept(await compute.project.undo()),
        redo: async () => accept(await compute.project.redo()),
      });
      return true;
    } catch (error) {
      toasts.error(error);
      return false;
    } finally {
      editing--;
    }
  },
};
