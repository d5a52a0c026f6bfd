/**
 * The window's only way out: two MessagePorts that the preload script posts, one to the shell and one to the
 * compute host. Both clients can be used at once; calls wait for their port. The compute host's port is replaced
 * whenever its process is.
 */
import { createORPCClient, type ClientContext, type ClientLink } from '@orpc/client';
import { RPCLink } from '@orpc/client/message-port';
import type { ContractRouterClient } from '@orpc/contract';
import type { contract } from '../../main/api/contract.ts';
import type { shellContract } from '../../main/api/shell.ts';

type Kind = 'shell' | 'compute';
type Link = ClientLink<ClientContext>;

/** A link to whatever port is there now; calls made while none is there wait for the next one. */
class ReplaceableLink implements Link {
  private current: Link | undefined;
  private port: MessagePort | undefined;
  private waiting: (() => void)[] = [];
  readonly listeners = new Set<(connected: boolean) => void>();

  connect(port: MessagePort): void {
    // Closing it ends the calls that still wait for an answer of the process that is gone.
    this.port?.dispatchEvent(new Event('close'));
    this.port?.close();
    this.port = port;
    this.current = new RPCLink({ port });
    port.addEventListener('close', () => {
      if (this.port !== port) return;
      this.port = undefined;
      this.current = undefined;
      for (const listener of this.listeners) listener(false);
    });
    port.start();
    for (const go of this.waiting.splice(0)) go();
    for (const listener of this.listeners) listener(true);
  }

  async call(...call: Parameters<Link['call']>): Promise<unknown> {
    const { signal } = call[2];
    while (this.current === undefined) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    return this.current.call(...call);
  }
}

const links = { shell: new ReplaceableLink(), compute: new ReplaceableLink() };

function kindOf(data: unknown): Kind | undefined {
  if (typeof data !== 'object' || data === null || !('kind' in data)) return undefined;
  return data.kind === 'shell' || data.kind === 'compute' ? data.kind : undefined;
}

window.addEventListener('message', (event) => {
  if (event.source !== window || event.origin !== window.origin) return;
  const kind = kindOf(event.data);
  const port = event.ports[0];
  if (kind === undefined || port === undefined) return;
  links[kind].connect(port);
});

/** Electron's main process: dialogs, menus, recents. */
export const shell: ContractRouterClient<typeof shellContract> = createORPCClient(links.shell);

/** The compute process: everything about projects, runs and models. */
export const compute: ContractRouterClient<typeof contract> = createORPCClient(links.compute);

/** Tells when the compute host's port comes (true) and goes (false); returns how to stop listening. */
export function onComputeConnection(listener: (connected: boolean) => void): () => void {
  links.compute.listeners.add(listener);
  return () => links.compute.listeners.delete(listener);
}
