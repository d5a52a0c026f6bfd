/**
 * A compute process that fails again and again, or does not answer at the end. That the application survives the loss
 * of one in the middle of a run is a part of journey.test.ts.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';
import { computePid, eventually } from './window.ts';

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A process that ended but was not waited for is no longer at work.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** The id of a compute process other than `former`, when there is one. */
async function nextPid({ app }: BuiltApp, former?: number): Promise<number> {
  let pid: number | undefined;
  await eventually(async () => {
    pid = await computePid(app);
    return pid !== undefined && pid !== former;
  }, true);
  return pid!;
}

describe('a compute process', () => {
  let running: BuiltApp;
  beforeAll(async () => {
    running = await launchBuilt();
  });
  afterAll(async () => {
    const asked = Date.now();
    await running.close();
    // There is nothing to wait for.
    expect(Date.now() - asked).toBeLessThan(10_000);
  });

  it('that was lost is followed by another; the third time it is left alone, and the page says so', async () => {
    let last: number | undefined;
    for (let time = 0; time < 3; time++) {
      last = await nextPid(running, last);
      await delay(500);
      process.kill(last, 'SIGKILL');
    }
    const text = () => running.page.evaluate(() => document.body.innerText);
    await eventually(async () => (await text()).includes('3 times'), true);
    await delay(5_000); // Longer than the longest pause before another start.
    expect(await computePid(running.app)).toBeUndefined();
  });
});

it('the compute process ends with the application, also when it does not answer', async () => {
  const running = await launchBuilt();
  const pid = await nextPid(running);
  process.kill(pid, 'SIGSTOP');
  await running.close();
  expect(isAlive(pid)).toBe(false);
});
