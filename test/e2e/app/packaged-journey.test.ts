/** The packaged application at work: the demo, a short merge, an export, and a project named on the command line. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unpackedApplication } from '../../../build/electron/packaging.ts';
import { launchPackaged, type RunningApp } from '../../support/app.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { exportAsOnnx, expectToPredictAlone } from './export-view.ts';
import { keepMethods, keepTasks, setParameter, startRun, watchToTheEnd } from './merge-view.ts';
import { reportOf, runFolders } from './runs-on-disk.ts';
import { opened, show } from './window.ts';

const supported = process.platform === 'linux';
let running: RunningApp;
let executable: string;

beforeAll(async () => {
  if (!supported) return;
  executable = await unpackedApplication();
  running = await launchPackaged(executable, { userData: join(await temporaryFolder(), 'data') });
});

afterAll(async () => {
  if (supported) await running.close();
});

describe.runIf(supported)('the packaged application', () => {
  const method = 'wemoe_1';
  let run: string;

  it('opens the demo and merges two of its experts', async () => {
    const { page, userData } = running;
    await opened(page, 'Demo project');
    await show(page, 'Merge');
    await keepMethods(page, ['individual', method]);
    await keepTasks(page, ['MNIST', 'Letters-26']);
    await setParameter(page, /^WEMoE/, 'Adaptation steps', '4');
    await startRun(page);
    await watchToTheEnd(page);
    run = runFolders(join(userData, 'Demo project')).at(-1) ?? '';
    const { tasks, methods } = await reportOf(run);
    expect(tasks).toEqual(['mnist', 'letters']);
    expect(methods.map(({ id }) => id)).toEqual(['individual', method]);
  });

  it('exports a model that runs alone', async () => {
    const { page, userData } = running;
    const written = await exportAsOnnx(page, method);
    expect(existsSync(join(written, 'README.md'))).toBe(true);
    const project = join(userData, 'Demo project');
    await expectToPredictAlone(written, { project, run, method, tasks: ['mnist'] });
  });

  it('reports nothing on the console', () => {
    expect(running.problems).toEqual([]);
  });
});

if (!supported) {
  it('the packaged application', (context) => {
    context.skip('packaged for tests on Linux only');
  });
}
