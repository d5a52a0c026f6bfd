import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  createSupervisor,
  type ComputeChild,
  type ComputeState,
} from '../../../electron/compute-supervisor.ts';
import type { FromHost, ToHost } from '../../../main/api/host-messages.ts';

class FakeChild implements ComputeChild {
  readonly sent: ToHost[] = [];
  terminated = 0;
  exitsOn: 'quit' | 'terminate' | 'kill';
  #message: (message: unknown) => void = () => undefined;
  #exit: (reason: string) => void = () => undefined;

  readonly pid: number;

  constructor(pid: number, exitsOn: 'quit' | 'terminate' | 'kill') {
    this.pid = pid;
    this.exitsOn = exitsOn;
  }

  send(message: ToHost): void {
    this.sent.push(message);
    if (message.type === 'quit' && this.exitsOn === 'quit') this.exit('as asked');
  }

  terminate(): void {
    this.terminated += 1;
    if (this.exitsOn === 'terminate') this.exit('terminated');
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#message = listener;
  }

  onExit(listener: (reason: string) => void): void {
    this.#exit = listener;
  }

  say(message: FromHost): void {
    this.#message(message);
  }

  exit(reason: string): void {
    this.#exit(reason);
  }
}

function supervised(exitsOn: 'quit' | 'terminate' | 'kill' = 'quit') {
  const children: FakeChild[] = [];
  const states: ComputeState[] = [];
  const killed: number[] = [];
  const supervisor = createSupervisor({
    start: () => {
      const child = new FakeChild(children.length + 1, exitsOn);
      children.push(child);
      return child;
    },
    briefing: () => [{ type: 'project', path: '/open' }],
    onState: (state) => states.push(state),
    onMessage: () => undefined,
    kill: (pid) => {
      killed.push(pid);
      children[pid - 1]?.exit('killed');
    },
  });
  return { supervisor, children, states, killed };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a process that ends by itself', () => {
  test('is started again after a growing pause, and briefed', () => {
    const { supervisor, children, states } = supervised();
    supervisor.start();
    children[0]!.say({ type: 'ready' });
    children[0]!.exit('It crashed.');
    expect(supervisor.state).toEqual({ state: 'gone', reason: 'It crashed.', restarting: true });
    vi.advanceTimersByTime(249);
    expect(children).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(children).toHaveLength(2);
    expect(children[1]!.sent).toEqual([{ type: 'project', path: '/open' }]);
    children[1]!.exit('It crashed.');
    vi.advanceTimersByTime(999);
    expect(children).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(children).toHaveLength(3);
    expect(states.map(({ state }) => state)).toEqual([
      'starting',
      'ready',
      'gone',
      'starting',
      'gone',
      'starting',
    ]);
  });

  test('three times within a minute is left alone, and that is said', () => {
    const { supervisor, children } = supervised();
    supervisor.start();
    for (let i = 0; i < 3; i++) {
      children.at(-1)!.exit('It ran out of memory.');
      vi.advanceTimersByTime(5_000);
    }
    expect(children).toHaveLength(3);
    expect(supervisor.state).toEqual({
      state: 'gone',
      reason:
        'It ran out of memory. This happened 3 times within a minute, so it is not started again by itself.',
      restarting: false,
    });
  });

  test('now and then is always started again', () => {
    const { supervisor, children } = supervised();
    supervisor.start();
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(31_000);
      children.at(-1)!.exit('It crashed.');
    }
    vi.advanceTimersByTime(5_000);
    expect(children).toHaveLength(11);
  });

  test('is started by hand whatever happened before', async () => {
    const { supervisor, children } = supervised();
    supervisor.start();
    for (let i = 0; i < 3; i++) {
      children.at(-1)!.exit('It crashed.');
      vi.advanceTimersByTime(5_000);
    }
    await supervisor.restart();
    expect(children).toHaveLength(4);
    expect(supervisor.state.state).toBe('starting');
    children.at(-1)!.exit('It crashed.');
    expect(supervisor.state.restarting).toBe(true);
  });

  test('says why, when it knows better than the system', () => {
    const { supervisor, children } = supervised();
    supervisor.start();
    children[0]!.say({ type: 'fatal', what: 'a bug in the host' });
    children[0]!.exit('It ended with an error.');
    expect(supervisor.state.reason).toBe('a bug in the host');
  });
});

describe('the end', () => {
  test('is asked for first, and is no crash', async () => {
    const { supervisor, children, states } = supervised('quit');
    supervisor.start();
    await supervisor.quit();
    expect(children[0]!.sent.at(-1)).toEqual({ type: 'quit' });
    expect(children[0]!.terminated).toBe(0);
    vi.advanceTimersByTime(60_000);
    expect(children).toHaveLength(1);
    expect(states.map(({ state }) => state)).toEqual(['starting']);
  });

  test('is demanded of a process that does not follow, then forced', async () => {
    const { supervisor, children, killed } = supervised('kill');
    supervisor.start();
    const quitting = supervisor.quit();
    await vi.advanceTimersByTimeAsync(8_000);
    expect(children[0]!.terminated).toBe(1);
    expect(killed).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(killed).toEqual([1]);
    await quitting;
  });

  test('needs no force where the demand is enough', async () => {
    const { supervisor, killed } = supervised('terminate');
    supervisor.start();
    const quitting = supervisor.quit();
    await vi.advanceTimersByTimeAsync(8_000);
    await quitting;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(killed).toEqual([]);
  });

  test('also stops a start that is still to come', async () => {
    const { supervisor, children } = supervised();
    supervisor.start();
    children[0]!.exit('It crashed.');
    await supervisor.quit();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(children).toHaveLength(1);
  });
});

test('sending tells whether somebody is there', () => {
  const { supervisor, children } = supervised();
  expect(supervisor.send({ type: 'measure' })).toBe(false);
  supervisor.start();
  expect(supervisor.send({ type: 'measure' })).toBe(true);
  children[0]!.exit('It crashed.');
  expect(supervisor.send({ type: 'measure' })).toBe(false);
});

test('messages that are none are a bug, not an event', () => {
  const { supervisor, children } = supervised();
  supervisor.start();
  expect(() => {
    children[0]!.say({ type: 'nonsense' } as unknown as FromHost);
  }).toThrow();
  expect(supervisor.state.state).toBe('starting');
});
