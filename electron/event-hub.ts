/** Events of the shell on their way to the window. */
import type { ShellEvent } from '../main/api/shell.ts';

/** What a window that does not read is allowed to miss; far more than a person can cause. */
const QUEUE_LIMIT = 1_000;

export interface EventHub {
  emit(event: ShellEvent): void;
  /** All events from now on, and before them those nobody was there to hear. */
  listen(signal: AbortSignal | undefined): AsyncGenerator<ShellEvent, void, void>;
}

/** `first` gives what every new listener is told at once: the state of things that change rarely. */
export function createEventHub(first: () => readonly ShellEvent[]): EventHub {
  const listeners = new Set<(event: ShellEvent) => void>();
  let unheard: ShellEvent[] = [];
  return {
    emit(event) {
      for (const listener of listeners) listener(event);
      // A state is told to new listeners anyway.
      if (listeners.size === 0 && event.type !== 'compute') unheard.push(event);
    },
    async *listen(signal) {
      const queue = [...first(), ...unheard];
      unheard = [];
      let wake = (): void => undefined;
      const listener = (event: ShellEvent): void => {
        if (queue.length < QUEUE_LIMIT) queue.push(event);
        wake();
      };
      const stop = (): void => wake();
      listeners.add(listener);
      signal?.addEventListener('abort', stop);
      try {
        while (signal?.aborted !== true) {
          const event = queue.shift();
          if (event !== undefined) yield event;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        listeners.delete(listener);
        signal?.removeEventListener('abort', stop);
      }
    },
  };
}
