/** The help texts, made from the records of the commands. */
import { commonOptions, type Command, type OptionSpec } from './command.ts';
import { displayWidth, padEnd, paint, wrap, type Terminal } from './terminal.ts';

const program = 'mergewright';

/** Help of the whole program. */
export function programHelp(commands: readonly Command[], terminal: Terminal): string {
  const heading = headingFor(terminal);
  return [
    `${heading('Usage:')} ${program} COMMAND [arguments] [options]`,
    'Merges fine-tuned checkpoints of one base model into one multi-task model, shows which expert\neach layer uses, compares the merges and exports them.',
    `${heading('Commands:')}\n${listing(
      commands.map(({ name, summary }) => [name, summary]),
      terminal,
    )}`,
    `${heading('Options:')}\n${listing(
      [
        ['--help', `print this help; ${program} COMMAND --help prints that of a command`],
        ['--version', 'print the version'],
      ],
      terminal,
    )}`,
    'Exit codes: 0 done, 1 an error in words, 2 wrong usage, 130 cancelled.',
  ].join('\n\n');
}

/** Help of one command. */
export function commandHelp(command: Command, terminal: Terminal): string {
  const heading = headingFor(terminal);
  const { positionals, description, example } = command;
  const options = Object.entries({ ...command.options, ...commonOptions });
  const sections = [
    `${heading('Usage:')} ${usageLine(command)}`,
    wrapped(`${command.summary}.`, terminal),
  ];
  if (description !== undefined) sections.push(wrapped(description, terminal));
  if (positionals.length > 0) {
    const rows = positionals.map(({ name, summary }) => [name, summary] as const);
    sections.push(`${heading('Arguments:')}\n${listing(rows, terminal)}`);
  }
  const rows = options.map(([name, spec]) => [optionTitle(name, spec), describe(spec)] as const);
  sections.push(`${heading('Options:')}\n${listing(rows, terminal)}`);
  sections.push(`${heading('Example:')}\n  ${example}`);
  return sections.join('\n\n');
}

function usageLine({ name, positionals, options }: Command): string {
  const places = positionals.map((spec) => {
    const shown = spec.repeated === true ? `${spec.name}…` : spec.name;
    return spec.optional === true ? `[${shown}]` : shown;
  });
  const needed = Object.entries(options)
    .filter(([, spec]) => spec.kind !== 'flag' && spec.required === true)
    .map(([option, spec]) => optionTitle(option, spec));
  return [program, name, ...places, ...needed, '[options]'].join(' ');
}

function optionTitle(name: string, spec: OptionSpec): string {
  if (spec.kind === 'flag') return `--${name}`;
  return `--${name} ${spec.value}${spec.kind === 'list' ? '…' : ''}`;
}

function describe(spec: OptionSpec): string {
  if (spec.kind === 'integer') return `${spec.summary} (${spec.min} to ${spec.max})`;
  const choices = spec.kind === 'flag' ? undefined : spec.choices;
  return choices === undefined ? spec.summary : `${spec.summary}: ${choices.join(', ')}`;
}

function listing(rows: readonly (readonly [string, string])[], { width }: Terminal): string {
  const left = Math.max(...rows.map(([title]) => displayWidth(title))) + 4;
  return rows
    .flatMap(([title, summary]) =>
      wrap(summary, Math.max(20, width - left)).map(
        (line, index) => padEnd(index === 0 ? `  ${title}` : '', left) + line,
      ),
    )
    .join('\n');
}

function wrapped(text: string, { width }: Terminal): string {
  return wrap(text, Math.min(width, 100)).join('\n');
}

function headingFor({ colour }: Terminal): (text: string) => string {
  return (text) => paint(colour, { bold: true }, text);
}
