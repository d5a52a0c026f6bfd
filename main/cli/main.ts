/** One run of the command line program, apart from the process around it. */
import { throwIfCancelled } from '../lib/errors.ts';
import { parseArguments } from './arguments.ts';
import type { Command } from './command.ts';
import { describeFailure, exitCodes, UsageError, type ExitCode } from './failure.ts';
import { commandHelp, programHelp } from './help.ts';
import { Progress } from './progress.ts';
import { describeTerminal, type OutputStream } from './terminal.ts';

export interface TextStream extends OutputStream {
  write(text: string): unknown;
}

export interface Surroundings {
  readonly commands: readonly Command[];
  readonly version: string;
  /** Gets the result and nothing else. */
  readonly stdout: TextStream;
  /** Gets everything else. */
  readonly stderr: TextStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** Runs what `words`, the command line after the program's name, asks for; returns the exit code. */
export async function runProgram(
  words: readonly string[],
  { commands, version, stdout, stderr, env, signal }: Surroundings,
): Promise<ExitCode> {
  const terminal = describeTerminal(stdout, env);
  const errorTerminal = describeTerminal(stderr, env);
  const progress = new Progress({
    write: (text) => void stderr.write(text),
    terminal: errorTerminal,
  });
  const print = (text: string): void => void stdout.write(`${text}\n`);
  let json = words.includes('--json');
  let verbose = words.includes('--verbose');
  try {
    const asked = parseArguments(words, commands);
    if (asked.kind === 'version') {
      print(version);
      return exitCodes.done;
    }
    if (asked.kind === 'help') {
      const { command } = asked;
      print(
        command === undefined ? programHelp(commands, terminal) : commandHelp(command, terminal),
      );
      return exitCodes.done;
    }
    ({ json, verbose } = asked);
    const { command, values, positionals } = asked;
    const result = await command.run(values, positionals, { signal, terminal, progress, verbose });
    // A command that came to its end although it was told to stop has still been cancelled.
    throwIfCancelled(signal);
    progress.finish();
    print(json ? JSON.stringify(result.json, null, 2) : result.text);
    return result.negative === true ? exitCodes.error : exitCodes.done;
  } catch (error) {
    progress.abandon();
    const debug = (env['MERGEWRIGHT_DEBUG'] ?? '') !== '';
    const failure = describeFailure(error, errorTerminal, verbose || debug);
    stderr.write(`${failure.text}\n`);
    if (error instanceof UsageError && words.length === 0) {
      stderr.write(`\n${programHelp(commands, errorTerminal)}\n`);
    }
    if (json) print(JSON.stringify(failure.json, null, 2));
    return failure.exitCode;
  }
}
