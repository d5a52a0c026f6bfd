/** Reads a command line against the table of commands. */
import { parseArgs } from 'node:util';
import { closest } from '../lib/closest.ts';
import { commonOptions, type Command, type OptionSpec, type OptionValues } from './command.ts';
import { UsageError } from './failure.ts';

export type Invocation =
  | { readonly kind: 'help'; readonly command: Command | undefined }
  | { readonly kind: 'version' }
  | {
      readonly kind: 'command';
      readonly command: Command;
      readonly values: OptionValues;
      readonly positionals: readonly string[];
      readonly json: boolean;
      readonly verbose: boolean;
    };

/** What `words`, the command line after the program's name, asks for. Throws `UsageError`. */
export function parseArguments(words: readonly string[], commands: readonly Command[]): Invocation {
  const [name, ...rest] = words;
  if (name === undefined) throw new UsageError('no command was given');
  if (name === '--version' || name === '-V') return { kind: 'version' };
  if (name === '--help' || name === '-h') return { kind: 'help', command: undefined };
  if (name === 'help') {
    const about = rest[0];
    return { kind: 'help', command: about === undefined ? undefined : find(about, commands) };
  }
  if (name.startsWith('-')) {
    throw new UsageError(`the command comes first, then its options; got "${name}"`);
  }
  const command = find(name, commands);
  const given = readTokens(rest, command);
  if (given.options.has('help')) return { kind: 'help', command };
  return {
    kind: 'command',
    command,
    values: optionValues(given.options, command),
    positionals: checkPositionals(given.positionals, command),
    json: given.options.has('json'),
    verbose: given.options.has('verbose'),
  };
}

function find(name: string, commands: readonly Command[]): Command {
  const found = commands.find((command) => command.name === name);
  if (found !== undefined) return found;
  const names = commands.map((command) => command.name);
  const meant = closest(name, names);
  const question = meant === undefined ? '' : ` (did you mean "${meant}"?)`;
  throw new UsageError(`there is no command "${name}"${question}, only ${names.join(', ')}`);
}

interface Given {
  /** By option name, the values in order; none for a flag. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
}

function readTokens(words: readonly string[], command: Command): Given {
  const table: Readonly<Record<string, OptionSpec>> = { ...commonOptions, ...command.options };
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      Object.entries(table).map(([name, spec]) => [
        name,
        {
          type: spec.kind === 'flag' ? ('boolean' as const) : ('string' as const),
          multiple: true,
          ...(name === 'help' ? { short: 'h' } : {}),
        },
      ]),
    ),
    // Its own errors name neither the command nor what was meant.
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const options = new Map<string, string[]>();
  const positionals: string[] = [];
  let openList: string[] | undefined;
  let last = -1;
  for (const token of tokens) {
    const word = words[token.index] ?? '';
    // No option begins with a digit: "-0.3" is a number, which the parser takes for several options.
    const isNumber = token.kind === 'option' && /^-\.?\d/.test(word);
    if (token.kind === 'positional' || isNumber) {
      if (token.index !== last) (openList ?? positionals).push(word);
      last = token.index;
      continue;
    }
    openList = undefined;
    if (token.kind === 'option-terminator') continue;
    const spec = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (spec === undefined) throw unknownOption(token.rawName, Object.keys(table), command.name);
    const values = options.get(token.name) ?? [];
    options.set(token.name, values);
    if (spec.kind === 'flag') {
      if (token.value !== undefined) throw usage(command, `${token.rawName} takes no value`);
      continue;
    }
    // An option after it is more likely a value forgotten than a value that begins with a dash.
    if (token.value === undefined || (!token.inlineValue && looksLikeOption(token.value))) {
      throw usage(command, `${token.rawName} needs a value, ${spec.value}`);
    }
    if (spec.kind !== 'list' && spec.kind !== 'repeated' && values.length > 0) {
      throw usage(command, `${token.rawName} is given twice`);
    }
    values.push(token.value);
    if (spec.kind === 'list') openList = values;
  }
  return { options, positionals };
}

function looksLikeOption(value: string): boolean {
  return /^--?[A-Za-z]/.test(value);
}

function unknownOption(written: string, known: readonly string[], command: string): UsageError {
  const meant = closest(written.replace(/^-+/, ''), known);
  const question = meant === undefined ? '' : ` (did you mean "--${meant}"?)`;
  return new UsageError(`${command} has no option "${written}"${question}`, command);
}

function optionValues(given: Given['options'], command: Command): OptionValues {
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(command.options)) {
    const texts = given.get(name);
    if (spec.kind === 'flag') {
      values[name] = texts !== undefined;
    } else if (texts === undefined) {
      if (spec.required === true) throw usage(command, `--${name} ${spec.value} is needed`);
      values[name] = undefined;
    } else {
      const read = texts.map((text) => readValue(name, text, spec, command));
      values[name] = spec.kind === 'list' || spec.kind === 'repeated' ? read : read[0];
    }
  }
  return values as OptionValues;
}

function readValue(
  name: string,
  text: string,
  spec: Exclude<OptionSpec, { readonly kind: 'flag' }>,
  command: Command,
): string | number {
  if (spec.kind === 'integer') {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
    if (value >= spec.min && value <= spec.max) return value;
    const range = `a whole number from ${spec.min} to ${spec.max}`;
    throw usage(command, `--${name} must be ${range}, is "${text}"`);
  }
  if (spec.choices !== undefined && !spec.choices.includes(text)) {
    const meant = closest(text, spec.choices);
    const question = meant === undefined ? '' : ` (did you mean "${meant}"?)`;
    throw usage(command, `--${name} must be ${spec.choices.join(' or ')}, is "${text}"${question}`);
  }
  if (text === '') throw usage(command, `--${name} is empty`);
  return text;
}

function checkPositionals(given: readonly string[], command: Command): readonly string[] {
  const { positionals } = command;
  const missing = positionals.find(
    (spec, index) => spec.optional !== true && given[index] === undefined,
  );
  if (missing !== undefined) throw usage(command, `${missing.name} is missing: ${missing.summary}`);
  const extra = given[positionals.length];
  if (extra !== undefined && positionals.at(-1)?.repeated !== true) {
    throw usage(command, `"${extra}" is one argument too many`);
  }
  const empty = given.indexOf('');
  if (empty >= 0) throw usage(command, `argument ${empty + 1} is empty`);
  return given;
}

function usage(command: Command, message: string): UsageError {
  return new UsageError(message, command.name);
}
