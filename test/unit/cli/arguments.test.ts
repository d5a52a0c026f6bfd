import { describe, expect, it } from 'vitest';
import { parseArguments } from '../../../main/cli/arguments.ts';
import { defineCommand, type Command } from '../../../main/cli/command.ts';
import { UsageError } from '../../../main/cli/failure.ts';

const result = { text: '', json: null };
const evaluate = defineCommand({
  name: 'evaluate',
  summary: 'Evaluate a model',
  example: 'mergewright evaluate merged --tasks mnist svhn',
  positionals: [{ name: 'MODEL', summary: 'a model folder' }],
  options: {
    tasks: { kind: 'list', value: 'ID', summary: 'tasks' },
    format: { kind: 'text', value: 'FORMAT', choices: ['safetensors', 'onnx'], summary: 'format' },
    batch: { kind: 'integer', value: 'N', min: 1, max: 512, summary: 'images at a time' },
    quiet: { kind: 'flag', summary: 'say less' },
  },
  run: () => Promise.resolve(result),
});
const merge = defineCommand({
  name: 'merge',
  summary: 'Merge',
  example: 'mergewright merge recipe.yaml --out merged',
  positionals: [
    { name: 'RECIPE', summary: 'a recipe' },
    { name: 'MORE', summary: 'more recipes', optional: true, repeated: true },
  ],
  options: { out: { kind: 'text', value: 'DIR', summary: 'where to', required: true } },
  run: () => Promise.resolve(result),
});
const commands: readonly Command[] = [evaluate, merge];
const parse = (line: string): ReturnType<typeof parseArguments> =>
  parseArguments(
    line.split(' ').filter((word) => word !== ''),
    commands,
  );

describe('parseArguments', () => {
  it('gives every option a value or undefined', () => {
    expect(parse('evaluate merged')).toEqual({
      kind: 'command',
      command: evaluate,
      values: { tasks: undefined, format: undefined, batch: undefined, quiet: false },
      positionals: ['merged'],
      json: false,
      verbose: false,
    });
    expect(
      parse(
        'evaluate merged --tasks mnist svhn --batch=16 --tasks gtsrb --quiet --format onnx --json',
      ),
    ).toMatchObject({
      values: { tasks: ['mnist', 'svhn', 'gtsrb'], format: 'onnx', batch: 16, quiet: true },
      positionals: ['merged'],
      json: true,
    });
  });

  it('takes numbers below zero as values, wherever they stand in a list', () => {
    expect(parse('evaluate merged --tasks -0.3 1 -.5 -12 --quiet')).toMatchObject({
      values: { tasks: ['-0.3', '1', '-.5', '-12'], quiet: true },
      positionals: ['merged'],
    });
  });

  it('takes words after "--" as they are', () => {
    expect(parse('merge --out=-x -- --odd name')).toMatchObject({
      values: { out: '-x' },
      positionals: ['--odd', 'name'],
    });
    expect(parse('evaluate --tasks mnist -- merged')).toMatchObject({
      values: { tasks: ['mnist'] },
      positionals: ['merged'],
    });
  });

  it.each([
    ['--help', undefined],
    ['-h', undefined],
    ['help', undefined],
    ['help merge', merge],
    ['merge --help', merge],
    ['evaluate -h', evaluate],
  ])('"%s" asks for help', (line, command) => {
    expect(parse(line)).toEqual({ kind: 'help', command });
  });

  it('knows --version', () => {
    expect(parse('--version')).toEqual({ kind: 'version' });
    expect(parse('-V')).toEqual({ kind: 'version' });
  });

  it.each([
    ['', 'no command was given'],
    [
      'evalute merged',
      'there is no command "evalute" (did you mean "evaluate"?), only evaluate, merge',
    ],
    ['bake', 'there is no command "bake", only evaluate, merge'],
    ['help bake', 'there is no command "bake", only evaluate, merge'],
    ['--json evaluate', 'the command comes first, then its options; got "--json"'],
    ['evaluate', 'MODEL is missing: a model folder'],
    ['evaluate a b', '"b" is one argument too many'],
    ['evaluate a --task mnist', 'evaluate has no option "--task" (did you mean "--tasks"?)'],
    ['evaluate a --bacth 1', 'evaluate has no option "--bacth" (did you mean "--batch"?)'],
    ['evaluate a -x', 'evaluate has no option "-x"'],
    ['evaluate a --constructor', 'evaluate has no option "--constructor"'],
    ['evaluate a --batch', '--batch needs a value, N'],
    ['evaluate a --batch --quiet', '--batch needs a value, N'],
    ['evaluate a --batch -1', '--batch must be a whole number from 1 to 512, is "-1"'],
    ['evaluate a --batch 1.5', '--batch must be a whole number from 1 to 512, is "1.5"'],
    ['evaluate a --batch 1 --batch 2', '--batch is given twice'],
    [
      'evaluate a --format onxn',
      '--format must be safetensors or onnx, is "onxn" (did you mean "onnx"?)',
    ],
    ['evaluate a --format=', '--format must be safetensors or onnx, is ""'],
    ['evaluate a --tasks=', '--tasks is empty'],
    ['evaluate a --quiet=yes', '--quiet takes no value'],
    ['merge a', '--out DIR is needed'],
  ])('refuses "%s"', (line, message) => {
    expect(() => parse(line)).toThrow(UsageError);
    expect(() => parse(line)).toThrow(message);
  });

  it('refuses an empty word, as an unset variable leaves it', () => {
    expect(() => parseArguments(['evaluate', ''], commands)).toThrow('argument 1 is empty');
  });
});
