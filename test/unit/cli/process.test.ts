import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const child = fileURLToPath(new URL('./process-child.ts', import.meta.url));

function start(...words: readonly string[]): {
  process: ChildProcessWithoutNullStreams;
  end: Promise<unknown[]>;
  until(text: string): Promise<string>;
} {
  const process_ = spawn(process.execPath, ['--import', 'tsx', child, ...words]);
  let err = '';
  process_.stderr.on('data', (data: Buffer) => (err += data.toString()));
  return {
    process: process_,
    end: once(process_, 'exit'),
    async until(text) {
      while (!err.includes(text)) await once(process_.stderr, 'data');
      return err;
    },
  };
}

it.each(['SIGINT', 'SIGTERM'] as const)('stops in order on %s and exits 130', async (signal) => {
  const { process, end, until } = start('work');
  await until('ready');
  process.kill(signal);
  await until('stopping');
  expect(await end).toEqual([130, null]);
  expect(await until('cancelled')).toContain('press Ctrl-C again');
});

it('stops at once on a second signal', async () => {
  const { process, end, until } = start('work', '--stubborn');
  await until('ready');
  process.kill('SIGINT');
  await until('stopping');
  process.kill('SIGINT');
  expect(await end).toEqual([130, null]);
});

it('writes a long result whole before it ends, whatever else still runs', async () => {
  const { process, end } = start('work', '--lines', '200000');
  let length = 0;
  process.stdout.on('data', (data: Buffer) => (length += data.length));
  expect(await end).toEqual([0, null]);
  expect(length).toBe(200_000 * 5 + 1);
});

it('ends quietly when its reader goes away', async () => {
  const { process, end } = start('work', '--lines', '200000');
  await once(process.stdout, 'data');
  process.stdout.destroy();
  expect(await end).toEqual([0, null]);
});
