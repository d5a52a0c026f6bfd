/**
 * Serving the contract to the process that owns the windows, on every port that it hands over. What the two
 * tell each other is in main/api/host-messages.ts.
 */
import { RPCHandler } from '@orpc/server/message-port';
import type { MessagePortMainLike } from '@orpc/client/message-port';
import { parseToHost, type FromHost } from '../api/host-messages.ts';
import { useProbeRunner } from '../engine/probe-process.ts';
import { measureLoopDelay } from '../lib/loop-delay.ts';
import { router } from './router.ts';
import { Session } from './session.ts';
import { shellProbes } from './shell-probes.ts';

/** A port as Electron's utility process receives it. */
export interface ReceivedPort extends MessagePortMainLike {
  start(): void;
}

/** `process.parentPort` of Electron's utility process, as far as it is used here. */
export interface ParentPort {
  on(
    event: 'message',
    listener: (event: { data: unknown; ports: readonly ReceivedPort[] }) => void,
  ): void;
  postMessage(message: FromHost): void;
}

/** Tells the shell of a bug that nothing survives, and ends the process. */
export type Fail = (error: unknown) => void;

/** Answers from now on; `exit` ends the process. */
export function serve(parent: ParentPort, exit: (code: number) => void): Fail {
  const tell = (message: FromHost) => parent.postMessage(message);
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  const session = new Session({ tell, log });
  const handler = new RPCHandler(router);
  const delay = measureLoopDelay();
  const probes = shellProbes(tell);
  useProbeRunner(probes.run);

  const receive = async (data: unknown, port: ReceivedPort | undefined): Promise<void> => {
    const message = parseToHost(data);
    switch (message.type) {
      case 'connect':
        if (port === undefined) throw new Error('a connection without a port');
        handler.upgrade(port, { context: { session } });
        port.start();
        return;
      case 'grant':
        session.grant(message.handle, message.path);
        return;
      case 'project':
        await session.reopenProject(message.path);
        return;
      case 'measure':
        tell({ type: 'delay', ...delay.read() });
        return;
      case 'probed':
        probes.answered(message);
        return;
      case 'quit':
        await session.close();
        exit(0);
    }
  };

  const fail = (error: unknown): void => {
    const what = error instanceof Error ? error.message : String(error);
    log(`fatal: ${error instanceof Error ? (error.stack ?? what) : what}`);
    tell({ type: 'fatal', what });
    exit(1);
  };
  parent.on('message', ({ data, ports }) => {
    void receive(data, ports[0]).catch(fail);
  });
  tell({ type: 'ready' });
  return fail;
}
