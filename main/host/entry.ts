/**
 * The compute process. It is started by the shell, which owns the windows, and serves the contract on
 * every port that the shell hands it. What the two tell each other is in main/api/host-messages.ts.
 */
import { RPCHandler } from '@orpc/server/message-port';
import type { MessagePortMainLike } from '@orpc/client/message-port';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseToHost, type FromHost, type ToHost } from '../api/host-messages.ts';
import { router } from './router.ts';
import { Session } from './session.ts';

/** A port as Electron's utility process receives it. */
interface ReceivedPort extends MessagePortMainLike {
  start(): void;
}

/** `process.parentPort` of Electron's utility process, as far as it is used here. */
interface ParentPort {
  on(
    event: 'message',
    listener: (event: { data: unknown; ports: readonly ReceivedPort[] }) => void,
  ): void;
  postMessage(message: FromHost): void;
}

const resolutionMs = 10;

function parentPort(): ParentPort {
  const port = (process as { parentPort?: ParentPort }).parentPort;
  if (port !== undefined) return port;
  throw new Error('the compute host is started by the application, not by hand');
}

function start(parent: ParentPort): void {
  const tell = (message: FromHost) => parent.postMessage(message);
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  const session = new Session({ tell, log });
  const handler = new RPCHandler(router);
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();

  const receive = async (message: ToHost, port: ReceivedPort | undefined): Promise<void> => {
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
      case 'measure': {
        // The timer that measures is itself late by its own resolution.
        const p99 = delay.count === 0 ? 0 : delay.percentile(99) / 1e6 - resolutionMs;
        tell({ type: 'delay', p99: Math.max(0, p99), samples: delay.count });
        delay.reset();
        return;
      }
      case 'quit':
        await session.close();
        process.exit(0);
    }
  };

  const fail = (error: unknown): never => {
    const what = error instanceof Error ? error.message : String(error);
    log(`fatal: ${error instanceof Error ? (error.stack ?? what) : what}`);
    tell({ type: 'fatal', what });
    process.exit(1);
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  parent.on('message', ({ data, ports }) => void receive(parseToHost(data), ports[0]));
  tell({ type: 'ready' });
}

start(parentPort());
