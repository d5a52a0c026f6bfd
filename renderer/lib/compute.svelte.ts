/** Whether the compute process is there, and what to tell when it is not. */
import { shell } from './connection.ts';
import { toasts } from './toasts.svelte.ts';

export type ComputeState = 'starting' | 'ready' | 'gone';

let state = $state<ComputeState>('starting');
let reason = $state<string | undefined>();
let restarting = $state(false);
/** Whether a process has been lost since the window opened; a first start is no news. */
let lost = $state(false);

export const computeProcess = {
  get state(): ComputeState {
    return state;
  },
  get reason(): string | undefined {
    return reason;
  },
  get restarting(): boolean {
    return restarting;
  },
  get lost(): boolean {
    return lost;
  },

  /** Takes the shell's word. */
  report(next: ComputeState, why: string | null, isRestarting: boolean): void {
    if (next === 'gone') {
      lost = true;
      reason = why ?? undefined;
    }
    state = next;
    restarting = isRestarting;
  },

  /** The person has read it. */
  dismiss(): void {
    lost = false;
  },

  async restart(): Promise<void> {
    restarting = true;
    try {
      await shell.restartCompute();
    } catch (error) {
      restarting = false;
      toasts.error(error);
    }
  },
};
