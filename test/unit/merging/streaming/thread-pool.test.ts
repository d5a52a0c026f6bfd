import { expect, it } from 'vitest';
import { ThreadPool } from '../../../../main/merging/streaming/thread-pool.ts';

const data = {
  method: undefined,
  settings: { parameters: {}, settings: [] },
  seed: 1,
  totals: { expertCount: 0, valueCount: 0 },
  tileValues: 1,
  productThreads: 1,
};

/** A pool whose threads run `source` instead. */
function poolOf(source: string, count = 1): ThreadPool {
  const file = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  return new ThreadPool(count, data, { file, options: { execArgv: [] } });
}

const listening = "import { parentPort } from 'node:worker_threads'; parentPort.on('message',";
const failure = { code: 'merge.worker_failed' };
const task = { file: 'x', position: 0, bytes: 0 };

it.each([
  ['throws while it starts', "throw new Error('cannot start')", 'cannot start'],
  [
    'throws outside of a task',
    `${listening} () => setTimeout(() => { throw new Error('lost'); }))`,
    'lost',
  ],
  ['ends', `${listening} () => process.exit(3))`, 'exit code 3'],
])('a thread that %s fails what it was asked to do', async (_, source, reason) => {
  const pool = poolOf(source);
  await expect(pool.first('checksum', task)).rejects.toMatchObject(failure);
  await expect(pool.first('checksum', task)).rejects.toThrow(reason);
  await pool.stop();
});

it('the failure of one thread ends the work of all', async () => {
  const source = `
    ${listening} ({ id, task }) => {
      if (task.request.position === 3) process.exit(1);
      parentPort.postMessage({ id, answer: task.request.position });
    })`;
  const pool = poolOf(source, 2);
  const answers: number[] = [];
  const work = pool.each(
    Array.from({ length: 1000 }, (_, index) => index),
    async (position, run) => {
      answers.push(await run('checksum', { ...task, position }));
    },
  );
  await expect(work).rejects.toMatchObject(failure);
  await pool.stop();
  expect(answers.length).toBeLessThan(1000);
});

it('stops threads in the middle of a loop without an end', async () => {
  const pool = poolOf(`${listening} () => { for (;;); })`, 2);
  const work = pool.all('checksum', task);
  const failed = expect(work).rejects.toMatchObject({ name: 'CancelledError' });
  const begun = performance.now();
  await pool.stop();
  await failed;
  expect(performance.now() - begun).toBeLessThan(2000);
});
