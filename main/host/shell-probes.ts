/**
 * Probes by way of the shell: the compute process starts no processes, and Electron's binary is not Node where it is
 * packaged.
 */
import { randomUUID } from 'node:crypto';
import type { FromHost, ToHost } from '../api/host-messages.ts';
import type { ProbeEnd, ProbeRunner } from '../engine/probe-process.ts';

export interface ShellProbes {
  readonly run: ProbeRunner;
  /** Takes an answer of the shell. */
  readonly answered: (message: Extract<ToHost, { type: 'probed' }>) => void;
}

export function shellProbes(tell: (message: FromHost) => void): ShellProbes {
  const waiting = new Map<string, (end: ProbeEnd) => void>();
  return {
    run: ({ program, args, limitMs }) =>
      new Promise((resolve) => {
        // The answer to a process that has ended may reach the one after it.
        const id = randomUUID();
        waiting.set(id, resolve);
        tell({ type: 'probe', id, program, args: [...args], limitMs });
      }),
    answered: ({ id, end }) => {
      waiting.get(id)?.(end);
      waiting.delete(id);
    },
  };
}
