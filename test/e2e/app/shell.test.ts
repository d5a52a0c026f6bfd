/** The life of the application: starts, windows, the compute process, the end. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';

const scratch = mkdtempSync(path.join(tmpdir(), 'mergewright-shell-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Process id of the compute process; undefined while there is none. */
function computePid({ app }: BuiltApp): Promise<number | undefined> {
  return app.evaluate(
    ({ app: electron }) =>
      electron.getAppMetrics().find(({ name }) => name === 'Mergewright compute')?.pid,
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A process that ended but was not waited for is no longer at work.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/\) Z /.test(stat);
  } catch {
    return false;
  }
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 300; i++) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(100);
  }
  throw new Error(`waited in vain: ${what}`);
}

const title = (running: BuiltApp): Promise<string> =>
  running.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.getTitle() ?? '');

describe('a start', () => {
  test('without a project opens the demo, which is copied whole', async () => {
    const running = await launchBuilt();
    try {
      await until('the demo is open', async () =>
        (await title(running)).startsWith('Demo project') ? true : undefined,
      );
      const folder = path.join(running.userData, 'Demo project');
      expect(existsSync(path.join(folder, 'recipe.yaml'))).toBe(true);
      expect(running.problems).toEqual([]);
    } finally {
      await running.close();
    }
  });

  test('with a folder opens it, and a second one hands its folder over', async () => {
    const first = path.join(scratch, 'first');
    const second = path.join(scratch, 'second');
    mkdirSync(first);
    mkdirSync(second);
    const running = await launchBuilt({ project: first });
    try {
      await until('the first is open', async () =>
        (await title(running)).startsWith('first') ? true : undefined,
      );
      const main = await running.app.evaluate(() => ({
        executable: process.execPath,
        words: process.argv.slice(1),
        env: process.env as Record<string, string>,
      }));
      const words = main.words.filter((word) => !/inspect|remote-debugging/.test(word));
      const again = spawn(main.executable, [...words.slice(0, -1), second], {
        env: main.env,
        stdio: 'ignore',
      });
      const code = await new Promise((resolve) => again.on('exit', resolve));
      expect(code).toBe(0);
      await until('the second is open', async () =>
        (await title(running)).startsWith('second') ? true : undefined,
      );
      expect(running.app.windows()).toHaveLength(1);
      const recents = readFileSync(path.join(running.userData, 'recents.json'), 'utf8');
      expect((JSON.parse(recents) as { projects: { path: string }[] }).projects).toMatchObject([
        { path: second },
        { path: first },
      ]);
    } finally {
      await running.close();
    }
  });

  test('finds the window where it was', async () => {
    const userData = path.join(scratch, 'window');
    const bounds = { x: 120, y: 80, width: 1100, height: 700 };
    const before = await launchBuilt({ userData });
    await before.app.evaluate(({ BrowserWindow }, wanted) => {
      BrowserWindow.getAllWindows()[0]?.setBounds(wanted);
    }, bounds);
    await delay(200);
    await before.close();
    const after = await launchBuilt({ userData });
    const found = await after.app.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0]?.getNormalBounds(),
    );
    await after.close();
    expect(found).toEqual(bounds);
  });
});

describe('the compute process', () => {
  test('is started again when it is killed, with the project open', async () => {
    const running = await launchBuilt();
    try {
      await until('the demo is open', async () =>
        (await title(running)).startsWith('Demo project') ? true : undefined,
      );
      const before = await until('a compute process', () => computePid(running));
      process.kill(before, 'SIGKILL');
      const after = await until('another compute process', async () => {
        const pid = await computePid(running);
        return pid === before ? undefined : pid;
      });
      expect(isAlive(before)).toBe(false);
      expect(isAlive(after)).toBe(true);
      await until('the page shows the project', async () =>
        (await running.page.evaluate(() => document.body.innerText)).includes('Demo project')
          ? true
          : undefined,
      );
    } finally {
      await running.close();
    }
  });

  test('is left alone after the third time, and the page says so', async () => {
    const running = await launchBuilt();
    try {
      let last = 0;
      for (let i = 0; i < 3; i++) {
        const pid = await until('a compute process', async () => {
          const found = await computePid(running);
          return found === last ? undefined : found;
        });
        last = pid;
        await delay(500);
        process.kill(pid, 'SIGKILL');
      }
      await until('the page says so', async () =>
        (await running.page.evaluate(() => document.body.innerText)).includes('3 times')
          ? true
          : undefined,
      );
      await delay(5_000);
      expect(await computePid(running)).toBeUndefined();
    } finally {
      const asked = Date.now();
      await running.close();
      // There is nothing to wait for.
      expect(Date.now() - asked).toBeLessThan(10_000);
    }
  });

  test('ends with the application, also when it does not answer', async () => {
    const running = await launchBuilt();
    const pid = await until('a compute process', () => computePid(running));
    process.kill(pid, 'SIGSTOP');
    await running.close();
    expect(isAlive(pid)).toBe(false);
  });
});
