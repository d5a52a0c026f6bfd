/** How failures are said, and the exit codes. */
import { AppError, CancelledError } from '../lib/errors.ts';
import { paint, type Terminal } from './terminal.ts';

export const exitCodes = { done: 0, error: 1, usage: 2, cancelled: 130 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The command line itself is wrong. */
export class UsageError extends Error {
  /** The command whose help explains it; undefined for the program's own. */
  readonly command: string | undefined;

  constructor(message: string, command?: string) {
    super(message);
    this.name = 'UsageError';
    this.command = command;
  }
}

export interface Failure {
  readonly exitCode: ExitCode;
  /** For a person, on standard error. */
  readonly text: string;
  /** For a program: what `--json` prints in place of the result. */
  readonly json: { readonly error: Readonly<Record<string, string>> };
}

/** Puts a thrown value into words. `verbose` adds the stack of what was not foreseen. */
export function describeFailure(error: unknown, terminal: Terminal, verbose: boolean): Failure {
  const label = (code: string): string =>
    paint(terminal.colour, { bold: true, colour: 'red' }, `error[${code}]`);
  if (error instanceof CancelledError) {
    return {
      exitCode: exitCodes.cancelled,
      text: 'cancelled',
      json: { error: { code: 'cancelled' } },
    };
  }
  if (error instanceof UsageError) {
    const help = error.command === undefined ? '' : `${error.command} `;
    const hint = `see mergewright ${help}--help`;
    return {
      exitCode: exitCodes.usage,
      text: `${label('usage')}: ${error.message}; ${hint}`,
      json: { error: { code: 'usage', what: error.message, hint } },
    };
  }
  if (error instanceof AppError) {
    const { code, what, where, hint } = error;
    return {
      exitCode: exitCodes.error,
      text: `${label(code)}: ${error.message}${verbose ? `\n${stackOf(error)}` : ''}`,
      json: { error: { code, what, ...(where === undefined ? {} : { where }), hint } },
    };
  }
  const what = error instanceof Error ? error.message : String(error);
  const hint = 'this is a mistake in Mergewright; please report it with the output of --verbose';
  return {
    exitCode: exitCodes.error,
    text: `${label('unexpected')}: ${what}; ${hint}${verbose ? `\n${stackOf(error)}` : ''}`,
    json: { error: { code: 'unexpected', what, hint } },
  };
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`;
  return (error.stack ?? error.message) + cause;
}
