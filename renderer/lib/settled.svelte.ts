/** Asking about what is edited once it has rested. */

/** Long enough to type a number, short enough not to be waited for. */
const settleMs = 250;

interface Question {
  /** What is asked about; undefined while nothing is to be asked. */
  readonly about: () => unknown;
  readonly ask: () => Promise<void>;
}

/**
 * Asks whenever what it is about has changed and rested. To be called while a component is set up. The answer says
 * whether the last one was about what stands there now.
 */
export function askWhenSettled({ about, ask }: Question): (now: unknown) => boolean {
  let answered = $state.raw<unknown>();
  $effect(() => {
    const asked = about();
    if (asked === undefined) return;
    const timer = setTimeout(() => void ask().then(() => (answered = asked)), settleMs);
    return () => clearTimeout(timer);
  });
  return (now) => answered === now;
}
