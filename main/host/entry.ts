/** The compute process: serves the contract on the ports that the shell sends. */
import { parseToHost } from '../api/host-messages.ts';

process.parentPort.on('message', (event) => {
  const message = parseToHost(event.data);
  if (message.type === 'quit') process.exit(0);
});
process.parentPort.postMessage({ type: 'ready' });
