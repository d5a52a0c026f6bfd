/** The command line program `mergewright`: the process around main/cli/. */
import manifest from '../package.json' with { type: 'json' };
import { commands } from './cli/commands/index.ts';
import { exitCodes } from './cli/failure.ts';
import { runProgram } from './cli/main.ts';

const controller = new AbortController();

/** The first signal stops the work in order, the second one at once. */
function stop(): void {
  if (controller.signal.aborted) process.exit(exitCodes.cancelled);
  controller.abort();
  process.stderr.write('\nstopping; press Ctrl-C again to stop at once\n');
}
process.on('SIGINT', stop);
process.on('SIGTERM', stop);

/** The reader of a pipe may go away, as `head` does; there is then no one left to tell. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.done);
    throw error;
  });
}

const exitCode = await runProgram(process.argv.slice(2), {
  commands,
  version: manifest.version,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: controller.signal,
});
// Threads of an engine may outlive the work; what was written must reach its reader before the end.
for (const stream of [process.stdout, process.stderr]) {
  await new Promise<void>((resolve) => stream.write('', () => resolve()));
}
process.exit(exitCode);
