/** Which of its two kinds of merges the Merge view shows; kept from one start of the application to the next. */

import { navigation } from './navigation.svelte.ts';

export type MergeMode = 'measure' | 'weights';

const key = 'merge-mode';

let mode = $state<MergeMode>(localStorage.getItem(key) === 'weights' ? 'weights' : 'measure');

export const mergeMode = {
  get value(): MergeMode {
    return mode;
  },
  set(next: MergeMode): void {
    mode = next;
    localStorage.setItem(key, next);
  },
};

/** Whether models that are dropped on the window are to be merged as they are. */
export function weightsInSight(): boolean {
  return navigation.view === 'merge' && mode === 'weights';
}

/** Goes to where runs are made. */
export function showRuns(): void {
  mergeMode.set('measure');
  navigation.go('merge');
}
