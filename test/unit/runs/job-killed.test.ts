/** SIGKILL at random moments of a run in a process of its own, several times in a row. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { isTemporaryName } from '../../../main/lib/durable.ts';
import { randomStream } from '../../../main/lib/random.ts';
import { runJob } from '../../../main/runs/job.ts';
import type { RunFolder } from '../../../main/runs/run-folder.ts';
import { filesBelow, temporaryFolder } from '../../support/temporary-folder.ts';
import { createTinyProject } from '../../support/tiny-project.ts';
import { briefConfig, briefMethods, comparableFiles, tinyEngine } from '../../support/tiny-run.ts';

const child = fileURLToPath(new URL('../../support/job-child.ts', import.meta.url));

/** Kills the process that goes on with `run` a moment after its n-th event; true if it was still alive. */
async function killAfter(run: RunFolder, events: number, milliseconds: number): Promise<boolean> {
  const worker = spawn(process.execPath, ['--import', 'tsx', child, run.folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(worker, 'exit');
  let seen = 0;
  for await (const dots of worker.stdout) {
    seen += (dots as Buffer).length;
    if (seen < events) continue;
    await delay(milliseconds);
    break;
  }
  worker.kill('SIGKILL');
  const [, signal] = (await ended) as [number | null, string | null];
  return signal === 'SIGKILL';
}

it('ends with the same bytes', { timeout: 240_000 }, async () => {
  const engine = await tinyEngine();
  const project = await createTinyProject(await temporaryFolder(), briefMethods, briefConfig);
  const whole = await project.createRun();
  await runJob(whole, { engine });

  const run = await project.createRun();
  const random = randomStream('kills');
  let kills = 0;
  for (const events of [2, 6, 5, 4]) {
    if (await killAfter(run, events, 15 * random())) kills++;
  }
  expect(kills).toBeGreaterThanOrEqual(3);
  await runJob(run, { engine });
  expect(await comparableFiles(run)).toEqual(await comparableFiles(whole));
  const names = [...(await filesBelow(run.folder)).keys()].map((name) => name.split('/').at(-1)!);
  expect(names.filter(isTemporaryName)).toEqual([]);
});
