/**
 * Native TensorFlow in the compute process of the application, where `mergewright engines install tensorflow` has put
 * it on this machine: a run adapts routers with it, and the process ends as any other.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readInstallation, tensorflowFolder } from '../../../main/engine/tfjs/installation.ts';
import { launchBuilt } from '../../support/app.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { showDraft, startRun, watchToTheEnd } from './merge-view.ts';
import { createSmallDemo } from './projects.ts';
import { reportOf, runFolders } from './runs-on-disk.ts';
import { computePid, currentView, keepPicture, opened } from './window.ts';

const demo = {
  tasks: ['mnist', 'fashion'],
  images: 40,
  batch: 4,
  methods: [
    { id: 'individual' },
    { id: 'wemoe_1', method: 'wemoe', parameters: { router_layers: 1, steps: 4 } },
  ],
};

it('native TensorFlow is listed, measured, and adapts routers in the application', async ({
  skip,
}) => {
  const installation = readInstallation(tensorflowFolder());
  if (installation === undefined) skip('native TensorFlow is not installed on this machine');
  const folder = await temporaryFolder();
  const project = join(folder, 'Native');
  await createSmallDemo(project, demo);
  const running = await launchBuilt({ userData: join(folder, 'data'), project });
  try {
    const { page, app } = running;
    await opened(page, 'Native');
    await showDraft(page);
    const row = currentView(page).getByRole('row', {
      name: `native TensorFlow ${installation?.tensorflow ?? ''}`,
    });
    await row.waitFor();
    await currentView(page).getByRole('button', { name: 'Measure speed' }).click();
    await row.getByText(/^\d[\d.,]* GFLOP\/s$/).waitFor();
    await row.getByRole('radio').check();
    await keepPicture(page, 'native-engine');
    await startRun(page);
    await watchToTheEnd(page);
    const maps = readFileSync(`/proc/${String(await computePid(app))}/maps`, 'utf8');
    expect(maps).toContain(join('tensorflow', 'libtensorflow_cc'));
    const report = await reportOf(runFolders(project)[0]!);
    expect(report.engine.title).toContain('native TensorFlow');
    expect(report.methods.map(({ id }) => id)).toEqual(['individual', 'wemoe_1']);
    expect(running.problems).toEqual([]);
  } finally {
    const asked = Date.now();
    await running.close();
    expect(Date.now() - asked).toBeLessThan(15_000);
  }
});
