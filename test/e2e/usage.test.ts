/** What a user meets first: help, wrong usage, exit codes, pipes. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../main/checkpoints/writer.ts';
import { commands } from '../../main/cli/commands/index.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { errorLine, mergewright, printed, program, resultOf, root, start } from './program.ts';

describe.concurrent('help', () => {
  it('of the program lists every command and the exit codes', async () => {
    const text = printed(await mergewright('--help'));
    for (const { name } of commands) expect(text).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(text).toContain('0 done, 1 an error in words, 2 wrong usage, 130 cancelled');
  });

  it.each(commands.map(({ name }) => name))('of %s has an example', async (name) => {
    const { code, out, err } = await mergewright(name, '--help');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(new RegExp(`^Usage: mergewright ${name}\\b`));
    expect(out).toMatch(new RegExp(`^Example:\\n  mergewright ${name}\\b`, 'm'));
    expect(out).toContain('--json');
  });

  it('names the version of the package', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(printed(await mergewright('--version'))).toBe(`${version}\n`);
  });
});

describe.concurrent('wrong usage exits 2 and says what was meant', () => {
  it.each([
    ['no command', [], /^error\[usage\]: no command was given/],
    ['an unknown command', ['mrege'], /no command "mrege" \(did you mean "merge"\?\)/],
    ['an unknown option', ['inspect', 'x', '--tensor'], /did you mean "--tensors"\?/],
    ['an option of another command', ['engines', '--base', 'x'], /engines has no option "--base"/],
    ['a missing argument', ['run'], /RECIPE is missing/],
    ['a missing option', ['merge', 'recipe.yaml'], /--out DIR is needed/],
    ['an unknown format', ['export', 'x', '--format', 'gguf', '--out', 'y'], /safetensors or onnx/],
    ['one argument too many', ['inspect', 'x', 'y'], /"y" is one argument too many/],
    ['a number out of range', ['engines', '--threads', '0'], /from 1 to 1024, is "0"/],
  ])('%s', async (_, words, message) => {
    const { code, out, err } = await mergewright(...words);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
    expect(err.split('\n')[0]).toMatch(/^error\[usage\]: .*; see mergewright .*--help$/);
  });

  it('with --json also as a document', async () => {
    const { code, out, err } = await mergewright('evaluate', '--json');
    expect(code).toBe(2);
    expect(err).toMatch(/^error\[usage\]: /);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'usage' } });
  });
});

describe('pipes', () => {
  let checkpoint: string;

  beforeAll(async () => {
    checkpoint = join(await temporaryFolder(), 'many.safetensors');
    const data = Float32Array.of(1);
    // Their list is far longer than what a pipe takes before someone reads it.
    const tensors = Array.from({ length: 20_000 }, (_, index) => ({
      name: `encoder.layers.${index}.weight`,
      dtype: 'F32' as const,
      shape: [],
      data,
    }));
    await writeSafetensors(checkpoint, tensors);
  });

  it('ends quietly when its reader has seen enough', async () => {
    const words = [program, 'inspect', checkpoint, '--tensors', '--json'];
    const script = '"$0" "$@" | head -1; echo "${PIPESTATUS[0]}"';
    const { out, err } = await start('bash', ['-c', script, process.execPath, ...words]).end;
    expect([out, err]).toEqual(['{\n0\n', '']);
  });

  it('writes all of a long result', async () => {
    const { tensors } = await resultOf<{ tensors: unknown[] }>('inspect', checkpoint, '--tensors');
    expect(tensors).toHaveLength(20_000);
  });

  it('says when the result cannot be printed', async ({ skip }) => {
    const device = await writeFile('/dev/full', '').then(
      () => '/dev/full',
      () => undefined,
    );
    if (device === undefined) return skip('this system has no /dev/full');
    const words = [program, 'inspect', checkpoint];
    const script = `"$0" "$@" > ${device}`;
    const outcome = await start('bash', ['-c', script, process.execPath, ...words]).end;
    expect(errorLine(outcome, 'file.disk_full')).toContain('standard output');
  });
});
