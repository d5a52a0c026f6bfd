/** Image sets that are dropped on a task: the page knows the row, the shell what was dropped. */

let over = $state<string | undefined>();
let aimed: string | undefined;

export const dropping = {
  /** The task over whose row files are held. */
  get over(): string | undefined {
    return over;
  },
  hold(task: string | undefined): void {
    over = task;
  },

  /** Files were let go over this task, or over none; what they are comes from the shell a moment later. */
  aim(task: string | undefined): void {
    over = undefined;
    aimed = task;
  },
  /** The task that the files which have come were let go over. */
  take(): string | undefined {
    const task = aimed;
    aimed = undefined;
    return task;
  },
};

/** Whether a drag is one of files from outside the window. */
export function holdsFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') === true;
}
