/** Streams of updates to a caller who may stop listening at any time. */
import { AsyncIteratorClass } from '@orpc/server';

/** Puts an item into the stream. */
export type Push<Item> = (item: Item) => void;

/**
 * The items that `work` pushes, until it settles. `stopped` fires when the caller ends the iteration,
 * also while nothing is being pushed, or when `signal` does. Errors of `work` end the stream as `toError`
 * words them.
 */
export function streamOf<Item>(
  signal: AbortSignal | undefined,
  toError: (error: unknown) => Error,
  work: (push: Push<Item>, stopped: AbortSignal) => Promise<void>,
): AsyncIteratorClass<Item> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const items: Item[] = [];
  let wake: () => void = () => undefined;
  let end: { readonly error?: Error } | undefined;
  const push: Push<Item> = (item) => {
    items.push(item);
    wake();
  };
  const finish = (outcome: { readonly error?: Error }) => {
    end ??= outcome;
    signal?.removeEventListener('abort', stop);
    wake();
  };
  controller.signal.addEventListener('abort', () => finish({}), { once: true });
  if (signal?.aborted === true) stop();
  else signal?.addEventListener('abort', stop, { once: true });
  void work(push, controller.signal).then(
    () => finish({}),
    (error: unknown) => finish({ error: toError(error) }),
  );
  return new AsyncIteratorClass<Item>(
    async () => {
      while (!controller.signal.aborted) {
        const item = items.shift();
        if (item !== undefined) return { done: false, value: item };
        if (end?.error !== undefined) throw end.error;
        if (end !== undefined) break;
        await new Promise<void>((resolve) => (wake = resolve));
      }
      return { done: true, value: undefined };
    },
    async () => stop(),
  );
}
