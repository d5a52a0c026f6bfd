/** Undo and redo of everything the window can take back, in the order in which it was done. */
import { toasts } from './toasts.svelte.ts';

export interface Edit {
  /** What was done, in words: "Remove MNIST". */
  readonly title: string;
  readonly undo: () => void | Promise<void>;
  readonly redo: () => void | Promise<void>;
  /** Edits of the same thing that follow each other, such as the digits of a number, are taken back at once. */
  readonly key?: string | undefined;
}

let done = $state.raw<readonly Edit[]>([]);
let undone = $state.raw<readonly Edit[]>([]);
let busy = false;

const limit = 200;

async function move(edit: Edit | undefined, direction: 'undo' | 'redo'): Promise<void> {
  if (edit === undefined || busy) return;
  busy = true;
  try {
    await edit[direction]();
    if (direction === 'undo') {
      done = done.filter((one) => one !== edit);
      undone = [...undone, edit];
    } else {
      undone = undone.filter((one) => one !== edit);
      done = [...done, edit];
    }
  } catch (error) {
    toasts.error(error);
  } finally {
    busy = false;
  }
}

export const history = {
  get undoTitle(): string | undefined {
    return done.at(-1)?.title;
  },
  get redoTitle(): string | undefined {
    return undone.at(-1)?.title;
  },

  /** Remembers an edit that has been made. */
  add(edit: Edit): void {
    const last = done.at(-1);
    if (last?.key !== undefined && last.key === edit.key) {
      done = [...done.slice(0, -1), { ...edit, undo: last.undo }];
    } else {
      done = [...done.slice(1 - limit), edit];
    }
    undone = [];
  },

  undo: () => move(done.at(-1), 'undo'),
  redo: () => move(undone.at(-1), 'redo'),

  /** Takes back one edit (a toast's "Undo"), also when others came after it. */
  take: (edit: Edit) => move(done.includes(edit) ? edit : undefined, 'undo'),

  clear(): void {
    done = [];
    undone = [];
  },
};
