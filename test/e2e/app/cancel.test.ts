/** Cancel takes effect at once, whatever the run is at: on the whole demo, with all its experts and images. */
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';
import { cancelWhen } from './in-page.mjs';
import { dock, keepMethods, setParameter, showDraft, startRun } from './merge-view.ts';
import { runFolders } from './runs-on-disk.ts';
import { currentView, eventually, opened, show } from './window.ts';

/** What a person still takes for an answer to the press of the button. */
const atOnceMs = 2_000;

let running: BuiltApp;
let page: Page;

beforeAll(async () => {
  running = await launchBuilt();
  ({ page } = running);
  page.setDefaultTimeout(60_000);
  await opened(page, 'Demo project');
  await show(page, 'Merge');
  await keepMethods(page, ['individual', 'ties', 'adamerging_layer', 'wemoe_1']);
  await setParameter(page, /^AdaMerging/, 'Adaptation steps', '2');
  await setParameter(page, /^WEMoE/, 'Adaptation steps', '2');
});

afterAll(() => running.close());

const measured: Record<string, number> = {};

/** The methods of a run, in its order, and what the bar says where it is cancelled. */
it.each([
  [
    'while the inputs are loaded',
    ['Loading'],
    ['individual', 'ties', 'adamerging_layer', 'wemoe_1'],
  ],
  [
    'while the individual models are evaluated',
    ['Individual', 'Evaluating'],
    ['individual', 'ties', 'adamerging_layer', 'wemoe_1'],
  ],
  ['while a static method merges', ['TIES', 'Merging'], ['ties', 'adamerging_layer', 'wemoe_1']],
  [
    'while a static merge is evaluated',
    ['TIES', 'Evaluating'],
    ['ties', 'adamerging_layer', 'wemoe_1'],
  ],
  [
    'while coefficients of every layer adapt',
    ['AdaMerging', 'Adapting'],
    ['adamerging_layer', 'wemoe_1'],
  ],
  [
    'while merged coefficients are evaluated',
    ['AdaMerging', 'Evaluating'],
    ['adamerging_layer', 'wemoe_1'],
  ],
  ['while routers adapt', ['WEMoE', 'Adapting'], ['wemoe_1']],
  ['while a dynamic model is evaluated', ['WEMoE', 'Evaluating'], ['wemoe_1']],
])('%s', async (phase, words, methods) => {
  await showDraft(page);
  await keepMethods(page, methods);
  await startRun(page);
  const tookMs = await page.evaluate(cancelWhen, words);
  measured[phase] = Math.round(tookMs);
  expect(tookMs).toBeLessThan(atOnceMs);
  await currentView(page).getByText('This run was cancelled.').waitFor();
});

it('every one of these runs can go on', async () => {
  console.info('milliseconds from the press of Cancel to the end of the run:', measured);
  const project = join(running.userData, 'Demo project');
  expect(runFolders(project)).toHaveLength(1 + Object.keys(measured).length); // The demo brings one.
  await currentView(page).getByRole('button', { name: 'Resume', exact: true }).click();
  const tookMs = await page.evaluate(cancelWhen, ['WEMoE', 'Evaluating']);
  expect(tookMs).toBeLessThan(atOnceMs);
});

it('an experiment is stopped with its run, which goes on with the next start', async () => {
  const project = join(running.userData, 'Demo project');
  const before = runFolders(project).length;
  await show(page, 'Merge');
  await currentView(page).getByRole('radio', { name: 'Experiments' }).check({ force: true });
  await currentView(page)
    .getByRole('radio', { name: /^Depth of the routers/ })
    .check();
  const runs = currentView(page).getByRole('region', { name: 'Runs of the experiment' });
  await runs.getByText('not run yet').waitFor();
  await runs.getByRole('button', { name: 'Show the recipe of router-depth' }).click();
  await page.getByRole('dialog').getByText('router_layers: 2').first().waitFor();
  await page.keyboard.press('Escape');
  for (const _time of ['anew', 'from what is done']) {
    await currentView(page).getByRole('button', { name: 'Start', exact: true }).click();
    await dock(page).getByText('Evaluating').waitFor();
    await runs.getByRole('progressbar', { name: 'Progress of router-depth' }).waitFor();
    await currentView(page).getByRole('button', { name: 'Stop', exact: true }).click();
    await eventually(() => dock(page).count(), 0);
    await runs.getByText('not run yet').waitFor();
    expect(runFolders(project)).toHaveLength(before + 1);
  }
  expect(running.problems).toEqual([]);
});
