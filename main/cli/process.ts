/** The process around the command line program: signals, broken pipes, the exit code. */
import type { Command } from './command.ts';
import { writeError } from '../lib/durable-file.ts';
import { describeFailure, exitCodes } from './failure.ts';
import { runProgram } from './main.ts';
import { describeTerminal } from './terminal.ts';

/** Runs the command line of this process and ends it. */
export async function runProcess(commands: readonly Command[], version: string): Promise<never> {
  const controller = new AbortController();
  // The first signal stops the work in order, the second one at once.
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.cancelled);
    controller.abort();
    process.stderr.write('\nstopping; press Ctrl-C again to stop at once\n');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const streams = [process.stdout, process.stderr];
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // The reader of a pipe has gone, as `head` does: there is no one left to tell.
      if (error.code === 'EPIPE') process.exit(exitCodes.done);
      if (stream === process.stdout) {
        const failure = writeError(error, 'standard output', 'the result was not printed whole');
        const terminal = describeTerminal(process.stderr, process.env);
        process.stderr.write(`${describeFailure(failure, terminal, false).text}\n`);
      }
      process.exit(exitCodes.error);
    });
  }
  const exitCode = await runProgram(process.argv.slice(2), {
    commands,
    version,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signal: controller.signal,
  });
  // Threads of an engine may outlive the work, so the process is ended; what was written must have
  // reached its reader by then.
  for (const stream of streams) {
    await new Promise<void>((resolve) => stream.write('', () => resolve()));
  }
  return process.exit(exitCode);
}
