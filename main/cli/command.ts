/** What a command of the program is: a record from which parsing, help and checks are made. */
import type { Progress } from './progress.ts';
import type { Terminal } from './terminal.ts';

interface OptionText {
  /** One line of help. */
  readonly summary: string;
}

/**
 * `flag`: given or not. `text`, `integer`: one value. `list`: one or more values, after one another
 * or with the option repeated. `repeated`: one value each time the option is given.
 */
export type OptionSpec = OptionText &
  (
    | { readonly kind: 'flag' }
    | {
        readonly kind: 'text' | 'list' | 'repeated';
        /** Stands for the value in help, e.g. "DIR". */
        readonly value: string;
        readonly choices?: readonly string[];
        readonly required?: boolean;
      }
    | {
        readonly kind: 'integer';
        readonly value: string;
        readonly min: number;
        readonly max: number;
        readonly required?: boolean;
      }
  );

export type OptionTable = Readonly<Record<string, OptionSpec>>;

export interface PositionalSpec {
  readonly name: string;
  readonly summary: string;
  readonly optional?: boolean;
  /** Takes everything that is left; only for the last one. */
  readonly repeated?: boolean;
}

type ChoiceOf<Spec> = Spec extends { readonly choices: readonly (infer Choice)[] }
  ? Choice
  : string;
type Given<Spec> = Spec extends { readonly kind: 'list' | 'repeated' }
  ? readonly ChoiceOf<Spec>[]
  : Spec extends { readonly kind: 'integer' }
    ? number
    : ChoiceOf<Spec>;

/** The values of a command's options; what was not given and is not required is undefined. */
export type OptionValues<Table extends OptionTable = OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends { readonly kind: 'flag' }
    ? boolean
    : Table[Name] extends { readonly required: true }
      ? Given<Table[Name]>
      : Given<Table[Name]> | undefined;
};

/** What every command is given beside its own arguments. */
export interface CommandContext {
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
  /** Standard output, for laying out the result. */
  readonly terminal: Terminal;
  /** On standard error. */
  readonly progress: Progress;
  readonly verbose: boolean;
}

/** The result: `text` for a person, `json` for a program; one of the two is printed. */
export interface CommandResult {
  readonly text: string;
  readonly json: unknown;
  /** The command did its work and the answer is no: exit code 1. */
  readonly negative?: boolean;
}

export interface Command<Table extends OptionTable = OptionTable> {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** Further paragraphs of its help. */
  readonly description?: string;
  /** A whole command line. */
  readonly example: string;
  readonly positionals: readonly PositionalSpec[];
  readonly options: Table;
  run(
    values: OptionValues<Table>,
    positionals: readonly string[],
    context: CommandContext,
  ): Promise<CommandResult>;
}

/** Lets `run` see the types of the command's own options. */
export function defineCommand<const Table extends OptionTable>(command: Command<Table>): Command {
  return command;
}

/** Options every command has. */
export const commonOptions = {
  json: { kind: 'flag', summary: 'print the result as one JSON document' },
  verbose: { kind: 'flag', summary: 'on an error, print where it came from' },
  help: { kind: 'flag', summary: 'print this help' },
} as const satisfies OptionTable;
