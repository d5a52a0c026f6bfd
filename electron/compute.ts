/** The compute host as the rest of the shell sees it: supervised, briefed about handles, measured. */
import type { FromHost } from '../main/api/host-messages.ts';
import { measureLoopDelay } from '../main/lib/loop-delay.ts';
import { startComputeProcess } from './compute-process.ts';
import { createSupervisor, type ComputeState, type Supervisor } from './compute-supervisor.ts';
import type { Handles } from './handles.ts';
import { runProbe } from './probe-process.ts';

export interface ComputeOptions {
  readonly handles: () => Handles;
  readonly onState: (state: ComputeState) => void;
  /** A project was opened by the window's wish. */
  readonly onOpened: (path: string, title: string) => void;
}

export interface Compute {
  readonly supervisor: Supervisor;
  readonly openProject: () => string | undefined;
  measure(): Promise<{ shellP99: number; computeP99: number; samples: number }>;
}

/** A host too busy to answer for this long has at least this delay. */
const MEASURE_LIMIT_MS = 2_000;

/** The compute host, not started yet. */
export function createCompute(options: ComputeOptions): Compute {
  let openProject: string | undefined;
  let waiting: ((delay: { p99: number; samples: number }) => void)[] = [];
  const shellDelay = measureLoopDelay();

  function receive(message: FromHost): void {
    switch (message.type) {
      case 'opened':
        openProject = message.path;
        options.onOpened(message.path, message.title);
        return;
      case 'place':
        options.handles().learn(message.handle, message.path);
        return;
      case 'delay':
        for (const answer of waiting) answer(message);
        waiting = [];
        return;
      case 'probe':
        // A compute process that has ended meanwhile needs no answer.
        void runProbe(message).then((end) => {
          supervisor.send({ type: 'probed', id: message.id, end });
        });
        return;
      case 'fatal':
        console.error(`compute: ${message.what}`);
        return;
      case 'ready':
    }
  }

  const supervisor = createSupervisor({
    start: startComputeProcess,
    briefing: () => [
      ...options
        .handles()
        .all()
        .map(([handle, path]) => ({ type: 'grant', handle, path }) as const),
      ...(openProject === undefined ? [] : [{ type: 'project', path: openProject } as const]),
    ],
    onState: options.onState,
    onMessage: receive,
    kill: (pid) => {
      process.kill(pid, 'SIGKILL');
    },
  });

  return {
    supervisor,
    openProject: () => openProject,
    async measure() {
      const shell = shellDelay.read();
      const answer = new Promise<{ p99: number; samples: number }>((resolve) => {
        waiting.push(resolve);
        setTimeout(() => resolve({ p99: MEASURE_LIMIT_MS, samples: 0 }), MEASURE_LIMIT_MS);
      });
      if (!supervisor.send({ type: 'measure' }))
        return { shellP99: shell.p99, computeP99: 0, samples: 0 };
      const host = await answer;
      return { shellP99: shell.p99, computeP99: host.p99, samples: shell.samples + host.samples };
    },
  };
}
