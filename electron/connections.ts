/**
 * Connects the page with the shell and with the compute host: one message port for each, handed over by the preload
 * script. A page that loads anew, and a compute host that starts anew, get new ports.
 */
import { RPCHandler } from '@orpc/server/message-port';
import { MessageChannelMain, type BrowserWindow } from 'electron';
import type { Supervisor } from './compute-supervisor.ts';
import type { createShellRouter } from './shell-service.ts';

type ShellRouter = ReturnType<typeof createShellRouter>;

export interface Connections {
  /** Connects a page that has just loaded. */
  connectPage(window: BrowserWindow): void;
  /** Connects the page with a compute host that has just become ready. */
  connectCompute(window: BrowserWindow): void;
}

/** Connections that serve `router` to the page and the host behind `supervisor`. */
export function createConnections(router: ShellRouter, supervisor: Supervisor): Connections {
  const handler = new RPCHandler(router);

  function connectShell(window: BrowserWindow): void {
    const { port1, port2 } = new MessageChannelMain();
    handler.upgrade(port1, { context: {} });
    port1.start();
    window.webContents.postMessage('port', { kind: 'shell' }, [port2]);
  }

  function connectCompute(window: BrowserWindow): void {
    if (supervisor.state.state !== 'ready') return;
    const { port1, port2 } = new MessageChannelMain();
    if (supervisor.send({ type: 'connect' }, [port1])) {
      window.webContents.postMessage('port', { kind: 'compute' }, [port2]);
    }
  }

  return {
    connectPage(window) {
      connectShell(window);
      connectCompute(window);
    },
    connectCompute,
  };
}
