/** Lets a process answer others in the middle of long arithmetic. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** The longest stretch without an answer that nobody notices. */
const stretchMs = 12;

/** To be awaited within a loop, as often as one likes: gives way only when it has been long enough. */
export function breather(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < stretchMs) return;
    await nextTurn();
    since = performance.now();
  };
}
