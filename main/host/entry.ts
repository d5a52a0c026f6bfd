/** The compute process, as the shell starts it: Electron's utility process. */
import { serve, type ParentPort } from './serve.ts';

function parentPort(): ParentPort {
  const port = (process as { parentPort?: ParentPort }).parentPort;
  if (port !== undefined) return port;
  throw new Error('the compute host is started by the application, not by hand');
}

const fail = serve(parentPort(), (code) => process.exit(code));
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
