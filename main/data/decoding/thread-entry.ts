/** The program of a thread that decodes images: does what it is told, one order after another. */
import { parentPort } from 'node:worker_threads';
import { AppError } from '../../lib/errors.ts';
import { prepareImages } from './prepare-images.ts';
import type { DecodeOrder, DecodeReply } from './protocol.ts';

const port = parentPort;
if (port === null) throw new Error('this program runs in a thread that decodes images');

async function answer(order: DecodeOrder): Promise<void> {
  const { id } = order;
  let reply: DecodeReply = { id };
  try {
    await prepareImages(order);
  } catch (error) {
    const bug = error instanceof Error ? (error.stack ?? error.message) : String(error);
    reply = { id, failure: error instanceof AppError ? error.failure : { bug } };
  }
  port?.postMessage(reply);
}

let last = Promise.resolve();
port.on('message', (order: DecodeOrder) => {
  last = last.then(() => answer(order));
});
