import { describe, expect, it } from 'vitest';
import { defineCommand, type Command, type CommandContext } from '../../../main/cli/command.ts';
import { commands as allCommands } from '../../../main/cli/commands/index.ts';
import { describeFailure } from '../../../main/cli/failure.ts';
import { commandHelp, programHelp } from '../../../main/cli/help.ts';
import { runProgram } from '../../../main/cli/main.ts';
import { displayWidth } from '../../../main/cli/terminal.ts';
import { AppError, CancelledError, throwIfCancelled } from '../../../main/lib/errors.ts';
import { plain } from './fixture.ts';

type Body = (context: CommandContext) => Promise<{ text: string; json: unknown }>;

const example = (run: Body): Command =>
  defineCommand({
    name: 'merge',
    summary: 'Merge experts',
    description: 'Writes the merged model into a new folder.',
    example: 'mergewright merge recipe.yaml --out merged',
    positionals: [
      { name: 'RECIPE', summary: 'the recipe' },
      { name: 'MORE', summary: 'more recipes', optional: true, repeated: true },
    ],
    options: {
      out: { kind: 'text', value: 'DIR', summary: 'where it goes', required: true },
      format: {
        kind: 'list',
        value: 'FORMAT',
        choices: ['safetensors', 'onnx'],
        summary: 'formats',
      },
      threads: { kind: 'integer', value: 'N', min: 1, max: 64, summary: 'threads' },
    },
    run: (_values, _positionals, context) => run(context),
  });

async function call(
  words: readonly string[],
  body: Body,
  {
    env = {},
    signal = new AbortController().signal,
  }: { env?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await runProgram(words, {
    commands: [example(body)],
    version: '1.2.3',
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env,
    signal,
  });
  return { code, out, err };
}

const words = ['merge', 'recipe.yaml', '--out', 'merged'];
const full = new AppError('file.disk_full', {
  what: 'writing failed because the disk is full (ENOSPC)',
  where: 'merged/model.safetensors',
  hint: 'free some space',
});

describe('runProgram', () => {
  const work: Body = ({ progress }) => {
    progress.start('Merging', 2, 'tensors');
    progress.update(2);
    return Promise.resolve({ text: 'merged', json: { path: 'merged' } });
  };

  it('prints the result alone on standard output', async () => {
    const done = await call(words, work);
    expect([done.code, done.out]).toEqual([0, 'merged\n']);
    expect(done.err).toBe('Merging: 2 tensors in 0.0 s\n');
    const json = await call([...words, '--json'], work);
    expect([json.code, JSON.parse(json.out)]).toEqual([0, { path: 'merged' }]);
  });

  it('says an error in words', async () => {
    const failed = await call(words, () => Promise.reject(full));
    expect(failed).toEqual({
      code: 1,
      out: '',
      err: 'error[file.disk_full]: writing failed because the disk is full (ENOSPC), in merged/model.safetensors; free some space\n',
    });
    const json = await call([...words, '--json'], () => Promise.reject(full));
    expect(json.err).toBe(failed.err);
    expect(JSON.parse(json.out)).toEqual({
      error: {
        code: 'file.disk_full',
        what: full.what,
        where: full.where,
        hint: full.hint,
      },
    });
  });

  it('exits 2 on wrong usage, and shows the help when nothing was asked', async () => {
    const wrong = await call(['merge', 'a', '--ou', 'b'], work);
    expect(wrong).toEqual({
      code: 2,
      out: '',
      err: 'error[usage]: merge has no option "--ou" (did you mean "--out"?); see mergewright merge --help\n',
    });
    const none = await call([], work);
    expect(none.code).toBe(2);
    expect(none.err).toContain('Usage: mergewright COMMAND');
    const json = await call(['merge', '--json'], work);
    expect(JSON.parse(json.out)).toMatchObject({ error: { code: 'usage' } });
  });

  it('exits 130 when cancelled, even where the command did not notice', async () => {
    const controller = new AbortController();
    const noticed = await call(
      words,
      ({ signal }) => {
        controller.abort();
        throwIfCancelled(signal);
        return Promise.reject(new Error('not reached'));
      },
      { signal: controller.signal },
    );
    expect(noticed).toEqual({ code: 130, out: '', err: 'cancelled\n' });
    expect(await call(words, work, { signal: controller.signal })).toMatchObject({
      code: 130,
      out: '',
    });
  });

  it('keeps the stack of a mistake for who asks', async () => {
    const broken: Body = () => Promise.reject(new TypeError('x is undefined', { cause: full }));
    const short = await call(words, broken);
    expect(short.code).toBe(1);
    expect(short.err.split('\n')).toHaveLength(2);
    expect(short.err).toMatch(/^error\[unexpected\]: x is undefined; .*--verbose/);
    for (const asked of [
      call([...words, '--verbose'], broken),
      call(words, broken, { env: { MERGEWRIGHT_DEBUG: '1' } }),
    ]) {
      const { err } = await asked;
      expect(err).toContain('TypeError: x is undefined\n    at ');
      expect(err).toContain('caused by AppError: writing failed');
    }
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what a careless library does
    expect((await call([...words, '--verbose'], () => Promise.reject('text'))).err).toContain(
      'text',
    );
  });

  it('colours the label of an error on a terminal', () => {
    const { text } = describeFailure(full, { isTTY: true, colour: 'basic', width: 80 }, false);
    expect(text).toContain('\x1b[1;31merror[file.disk_full]\x1b[0m: writing');
    expect(describeFailure(new CancelledError(), plain(80), true).exitCode).toBe(130);
  });

  it('prints version and help', async () => {
    expect((await call(['--version'], work)).out).toBe('1.2.3\n');
    expect(await call(['merge', '--help'], work)).toEqual({
      code: 0,
      err: '',
      out: `Usage: mergewright merge RECIPE [MORE…] --out DIR [options]

Merge experts.

Writes the merged model into a new folder.

Arguments:
  RECIPE  the recipe
  MORE    more recipes

Options:
  --out DIR         where it goes
  --format FORMAT…  formats: safetensors, onnx
  --threads N       threads (1 to 64)
  --json            print the result as one JSON document
  --verbose         on an error, print where it came from
  --help            print this help

Example:
  mergewright merge recipe.yaml --out merged
`,
    });
  });
});

describe('the help of every command', () => {
  it.each(allCommands.map((command) => [command.name, command] as const))('%s', (name, command) => {
    const text = commandHelp(command, plain(80));
    expect(command.example).toMatch(new RegExp(`^mergewright ${name}\\b`));
    expect(text).toContain(`Usage: mergewright ${name}`);
    for (const line of text.split('\n')) {
      // An example is one line, to be copied.
      if (line.trim() !== command.example) expect(displayWidth(line)).toBeLessThanOrEqual(80);
    }
    expect(programHelp(allCommands, plain(80))).toContain(`  ${name} `);
  });
});
