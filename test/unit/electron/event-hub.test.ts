import { expect, test } from 'vitest';
import { createEventHub } from '../../../electron/event-hub.ts';
import type { ShellEvent } from '../../../main/api/shell.ts';

const state: ShellEvent = { type: 'compute', state: 'ready', reason: null, restarting: false };
const menu = (command: 'run.start' | 'run.cancel'): ShellEvent => ({ type: 'menu', command });

async function take(events: AsyncGenerator<ShellEvent, void, void>, count: number) {
  const taken: ShellEvent[] = [];
  for (let i = 0; i < count; i++) {
    const next = await events.next();
    if (next.done === true) break;
    taken.push(next.value);
  }
  return taken;
}

test('a listener is told the state first, then what nobody heard, then the rest', async () => {
  const hub = createEventHub(() => [state]);
  hub.emit(menu('run.start'));
  hub.emit({ type: 'compute', state: 'gone', reason: 'old', restarting: true });
  const events = hub.listen(undefined);
  const first = events.next();
  hub.emit(menu('run.cancel'));
  expect([(await first).value, ...(await take(events, 2))]).toEqual([
    state,
    menu('run.start'),
    menu('run.cancel'),
  ]);
});

test('every listener hears everything from then on', async () => {
  const hub = createEventHub(() => []);
  const all = [hub.listen(undefined), hub.listen(undefined)];
  const heard = all.map((events) => take(events, 1));
  hub.emit(menu('run.start'));
  expect(await Promise.all(heard)).toEqual([[menu('run.start')], [menu('run.start')]]);
});

test('a listener whose connection ends is forgotten', async () => {
  const hub = createEventHub(() => []);
  const connection = new AbortController();
  const events = hub.listen(connection.signal);
  const waiting = events.next();
  connection.abort();
  expect((await waiting).done).toBe(true);
  // What comes now is for the next one.
  hub.emit(menu('run.start'));
  expect(await take(hub.listen(undefined), 1)).toEqual([menu('run.start')]);
});
