/**
 * A server that resets a connection while its answer waits to be read: undici from 7.25 to the end of its line for
 * Node 20 answers that with an assertion outside any promise (nodejs/undici#5360), which ends the process.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { HubClient, PassingError } from '../../../main/hub/client.ts';
import { hubSettings } from '../../../main/hub/settings.ts';
import { AppError } from '../../../main/lib/errors.ts';
import { impatient } from './support.ts';

/** More than the client takes in while nobody reads. */
const sent = 200_000;

it('a connection that is reset while its reader is slow fails the read alone', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const asked = once(server, 'connection') as Promise<[Socket]>;
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new HubClient(hubSettings({ endpoint, patience: impatient }, {}));
  const refused = () => new AppError('hub.server_failed', { what: 'refused', hint: 'none' });
  const answering = client.get(new URL(endpoint), { refused }, {});
  const [socket] = await asked;
  await once(socket, 'data');
  socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${20 * sent}\r\n\r\n`);
  const flushed = new Promise((resolve) => socket.write(Buffer.alloc(sent), resolve));
  const { body } = await answering;
  await flushed;
  // Until the client's buffer is full and its connection waits.
  while (body.readableLength < body.readableHighWaterMark) await turn();
  const closed = once(socket, 'close');
  socket.resetAndDestroy();
  await closed;
  const failure: unknown = await (async () => {
    for await (const _ of body) await turn();
  })().catch((error: unknown) => error);
  expect(client.failed(failure, new URL(endpoint))).toBeInstanceOf(PassingError);
  await client.close();
  server.close();
});
