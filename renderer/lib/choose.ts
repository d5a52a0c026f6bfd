/** Asking in the system's dialogs, and showing places in the file manager; failures are told as toasts. */
import type { Chosen } from '../../main/api/shell.ts';
import { shell } from './connection.ts';
import { toasts } from './toasts.svelte.ts';

export type Purpose = Parameters<typeof shell.choose>[0]['purpose'];

/** What a person picks; nothing where the dialog was cancelled. */
export async function choose(purpose: Purpose): Promise<Chosen[]> {
  try {
    return (await shell.choose({ purpose })) ?? [];
  } catch (error) {
    toasts.error(error);
    return [];
  }
}

/** Shows a place that the compute process named. */
export async function reveal(place: string): Promise<void> {
  try {
    await shell.reveal({ place });
  } catch (error) {
    toasts.error(error);
  }
}
