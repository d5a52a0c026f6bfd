/** Which of its kinds of merges the Merge view shows; kept from one start of the application to the next. */

import { navigation } from './navigation.svelte.ts';

const modes = ['measure', 'weights', 'lora', 'experiments'] as const;
export type MergeMode = (typeof modes)[number];

const key = 'merge-mode';

const kept = localStorage.getItem(key);
let mode = $state<MergeMode>(modes.find((known) => known === kept) ?? 'measure');

export const mergeMode = {
  get value(): MergeMode {
    return mode;
  },
  set(next: MergeMode): void {
    mode = next;
    localStorage.setItem(key, next);
  },
};

/** Whether models and adapters that are dropped on the window are to be merged as they are. */
export function weightsInSight(): boolean {
  return navigation.view === 'merge' && (mode === 'weights' || mode === 'lora');
}

/** Goes to where runs are made. */
export function showRuns(): void {
  mergeMode.set('measure');
  navigation.go('merge');
}
