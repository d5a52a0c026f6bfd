/**
 * Keeps a compute process alive: starts it, starts it again with a growing pause when it ends by itself, gives up
 * when that happens too often, and ends it in bounded time. Its exit is the only proof that it is gone.
 */
import type { MessagePortMain } from 'electron';
import { parseFromHost, type FromHost, type ToHost } from '../main/api/host-messages.ts';

/** A running compute process. */
export interface ComputeChild {
  readonly pid: number | undefined;
  send(message: ToHost, ports: readonly MessagePortMain[]): void;
  /** Asks the operating system to end it; may be ignored by a process that is busy. */
  terminate(): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, with why it ended in words. */
  onExit(listener: (reason: string) => void): void;
}

export interface ComputeState {
  readonly state: 'starting' | 'ready' | 'gone';
  readonly reason: string | null;
  readonly restarting: boolean;
}

export interface SupervisorOptions {
  readonly start: () => ComputeChild;
  /** What a new process is told first: paths behind handles, the open project. */
  readonly briefing: () => readonly ToHost[];
  readonly onState: (state: ComputeState) => void;
  readonly onMessage: (message: FromHost) => void;
  /** Ends a process by its id, whatever it does. */
  readonly kill: (pid: number) => void;
}

export interface Supervisor {
  readonly state: ComputeState;
  start(): void;
  /** Sends to the process when there is one; returns whether there is. */
  send(message: ToHost, ports?: readonly MessagePortMain[]): boolean;
  /** Starts a new process now, whatever happened before; ends a running one. */
  restart(): Promise<void>;
  /** Lets the process save and end; resolves when it is gone. */
  quit(): Promise<void>;
}

/** Ends by itself this often within the window: a loop, not an accident. */
const CRASH_LIMIT = 3;
const CRASH_WINDOW_MS = 60_000;
const PAUSES_MS = [250, 1_000, 4_000];
/** Time to save what runs, and then to follow a SIGTERM. */
const SAVE_GRACE_MS = 8_000;
const TERM_GRACE_MS = 2_000;

/** Resolves with true when `gone` comes first. */
async function within(gone: Promise<void>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  const first = await Promise.race([gone.then(() => true), limit]);
  clearTimeout(timer);
  return first;
}

/** A supervisor with no process yet. */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  let child: ComputeChild | undefined;
  let gone: Promise<void> = Promise.resolve();
  let state: ComputeState = { state: 'starting', reason: null, restarting: false };
  let crashes: number[] = [];
  let pending: NodeJS.Timeout | undefined;
  /** Set while an end is wanted, so that it does not count as a crash. */
  let ending = false;
  let fatal: string | undefined;

  const change = (next: ComputeState): void => {
    state = next;
    options.onState(next);
  };

  function receive(raw: unknown): void {
    const message = parseFromHost(raw);
    if (message.type === 'ready') change({ state: 'ready', reason: null, restarting: false });
    else if (message.type === 'fatal') fatal = message.what;
    options.onMessage(message);
  }

  function lost(exitReason: string): void {
    child = undefined;
    const reason = fatal ?? exitReason;
    if (ending) return;
    const now = Date.now();
    crashes = [...crashes.filter((time) => now - time < CRASH_WINDOW_MS), now];
    if (crashes.length >= CRASH_LIMIT) {
      const what = `${reason} This happened ${crashes.length} times within a minute, so it is not started again by itself.`;
      change({ state: 'gone', reason: what, restarting: false });
      return;
    }
    change({ state: 'gone', reason, restarting: true });
    pending = setTimeout(start, PAUSES_MS[crashes.length - 1]);
  }

  function start(): void {
    clearTimeout(pending);
    fatal = undefined;
    ending = false;
    change({ state: 'starting', reason: null, restarting: false });
    const started = options.start();
    child = started;
    gone = new Promise((resolve) => {
      started.onExit((reason) => {
        lost(reason);
        resolve();
      });
    });
    started.onMessage((message) => {
      // What a process said before it was replaced is of no interest.
      if (child === started) receive(message);
    });
    for (const message of options.briefing()) started.send(message, []);
  }

  async function end(): Promise<void> {
    clearTimeout(pending);
    ending = true;
    const ended = child;
    if (ended === undefined) return;
    ended.send({ type: 'quit' }, []);
    if (await within(gone, SAVE_GRACE_MS)) return;
    ended.terminate();
    if (await within(gone, TERM_GRACE_MS)) return;
    if (ended.pid !== undefined) options.kill(ended.pid);
    await within(gone, TERM_GRACE_MS);
  }

  return {
    get state() {
      return state;
    },
    start,
    send(message, ports = []) {
      child?.send(message, ports);
      return child !== undefined;
    },
    async restart() {
      await end();
      crashes = [];
      start();
    },
    quit: end,
  };
}
