/**
 * What a person does with the application, from its first start to the exported model and back the next day: the built
 * application, real computation, nothing stood in for but the system's own dialogs.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { parseRecipe } from '../../../main/runs/recipe.ts';
import { exportAsOnnx, expectToPredictAlone } from './export-view.ts';
import {
  dock,
  keepMethods,
  keepTasks,
  setParameter,
  startRun,
  untilAdapting,
  watchToTheEnd,
} from './merge-view.ts';
import { createSmallDemo, runWithoutWindow } from './projects.ts';
import { eventsOf, meanRoutingOf, reportOf, runFolders, stepsOf } from './runs-on-disk.ts';
import { openInSecondInstance } from './second-instance.ts';
import { answerSaveDialogs, catchRevealed } from './system.ts';
import {
  computePid,
  currentView,
  entryOf,
  eventually,
  keepPicture,
  opened,
  setTheme,
  show,
  themes,
  views,
} from './window.ts';

let folder: string;
let running: BuiltApp;
let page: Page;

async function launch(): Promise<void> {
  running = await launchBuilt({ userData: join(folder, 'data') });
  ({ page } = running);
  page.setDefaultTimeout(60_000);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  await launch();
});

afterAll(() => running.close());

function windowTitle(): Promise<string | undefined> {
  return running.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.getTitle());
}

const steps = 12;
const method = 'wemoe_1';

describe('the demo, from the first start to the exported model', () => {
  let project: string;
  let run: string;

  it('opens by itself at the first start', async () => {
    await opened(page, 'Demo project');
    project = join(running.userData, 'Demo project');
    expect(existsSync(join(project, 'recipe.yaml'))).toBe(true);
    expect(await windowTitle()).toBe('Demo project — Mergewright');
    await currentView(page).getByRole('region', { name: 'Welcome' }).waitFor();
  });

  it('runs a draft that was made shorter by hand, with its progress and its curves in sight', async () => {
    await show(page, 'Merge');
    await keepMethods(page, ['individual', 'task_arithmetic', method]);
    await keepTasks(page, ['MNIST', 'StreetDigits', 'Letters-26', 'Emoji-40']);
    await setParameter(page, /^WEMoE/, 'Adaptation steps', String(steps));
    await startRun(page);
    const shares = await watchToTheEnd(page);
    run = runFolders(project).at(-1) ?? ''; // The demo comes with a run of its own.
    expect(new Set(shares).size).toBeGreaterThan(3);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));

    await show(page, 'Merge');
    const events = await eventsOf(run);
    const losses = events.filter(({ type }) => type === 'adaptation.step').map(({ loss }) => loss);
    expect(losses).toHaveLength(steps);
    const loss = currentView(page)
      .locator('figure')
      .filter({
        has: page.getByRole('img', { name: /^Loss by step of / }),
      });
    await loss.getByRole('button', { name: 'Show as table' }).click();
    const rows = currentView(page)
      .getByRole('table', { name: /^Loss by step of / })
      .locator('tbody tr');
    await eventually(() => rows.count(), steps);
    const shown = await rows.evaluateAll((all) => all.map((row) => row.textContent));
    for (const [index, value] of losses.entries()) {
      expect(shown[index]).toContain(value?.toFixed(3).replace('-', '−'));
    }
  });

  it('Routing shows finite values for every layer and task, those of routing.safetensors', async () => {
    await show(page, 'Routing');
    const report = await reportOf(run);
    const means = await meanRoutingOf(run, method, report.tasks);
    const layers = means.size / report.tasks.length ** 2;
    const file = join(folder, 'routing.csv');
    await answerSaveDialogs(running.app, file);
    await currentView(page)
      .getByRole('button', { name: /^Save as/ })
      .click();
    await page.getByRole('menuitem', { name: /^CSV/ }).click();
    await page.getByText(/^Saved /).waitFor();
    const [head = '', ...lines] = (await readFile(file, 'utf8')).trim().split('\n');
    const columns = head.split(',');
    const cell = (line: string, name: string) => line.split(',')[columns.indexOf(name)] ?? '';
    const saved = lines.map((line) => {
      expect([cell(line, 'method'), cell(line, 'step')]).toEqual([method, 'test']);
      const place = ['layer', 'source_task', 'expert'].map((name) => cell(line, name)).join('/');
      return [place, Number(cell(line, 'lambda_mean'))] as const;
    });
    expect(saved).toHaveLength(means.size);
    for (const [place, value] of saved) {
      expect(Number.isFinite(value), place).toBe(true);
      expect(value, place).toBeCloseTo(means.get(place) ?? Number.NaN, 6);
    }

    // What is drawn says the same: every layer, on the diagonal, by keyboard.
    const grid = currentView(page).getByRole('grid');
    await grid.focus();
    for (let layer = layers - 1; layer >= 0; layer--) {
      await page.keyboard.press('Control+Home');
      for (const [index, task] of report.tasks.entries()) {
        if (index > 0) {
          await page.keyboard.press('ArrowDown');
          await page.keyboard.press('ArrowRight');
        }
        const value = means.get(`${layer}/${task}/${task}`)!.toFixed(2).replace('-', '−');
        const readout = currentView(page).locator('.readout[aria-live]');
        await eventually(async () => (await readout.textContent())?.includes(`λ ${value} `), true);
      }
      await page.keyboard.press('PageUp');
    }
    await page.keyboard.press('Enter');
    const images = currentView(page).getByRole('list', { name: /images, highest λ/ });
    await eventually(async () => (await images.getByRole('button').count()) > 0, true);
  });

  it('Compare shows the numbers of report.json', async () => {
    await show(page, 'Compare');
    const report = await reportOf(run);
    const table = currentView(page).getByRole('region', {
      name: 'Accuracies of the chosen models',
    });
    const rows = await table.locator('tbody tr').all();
    const seen: string[] = [];
    for (const row of rows) {
      const title = (await row.getByRole('rowheader').textContent())?.trim() ?? '';
      const result = report.methods.find((one) => title.startsWith(one.title))!;
      seen.push(result.id);
      const shown = await row.locator('.value').allTextContents();
      const wanted = [
        ...report.tasks.map((task) => result.accuracy[task]!),
        result.average,
        ...(result.normalizedAverage === null ? [] : [result.normalizedAverage]),
      ];
      expect(shown.map((text) => Number.parseFloat(text)).slice(0, wanted.length)).toEqual(
        wanted.map((share) => Number((100 * share).toFixed(1))),
      );
    }
    expect(seen.sort()).toEqual(['individual', 'task_arithmetic', method]);

    // The table for papers has the same numbers.
    const individual = report.methods.find(({ id }) => id === 'individual')!;
    await currentView(page).getByRole('button', { name: 'Copy table …' }).click();
    await page.getByRole('menuitem', { name: /^Copy Markdown/ }).click();
    await page.getByText('The table as Markdown was copied').waitFor();
    const copied = await running.app.evaluate(({ clipboard }) => clipboard.readText());
    const line = copied.split('\n').find((text) => text.startsWith(`| ${individual.title} |`));
    for (const task of report.tasks) {
      expect(line).toContain(` ${(100 * individual.accuracy[task]!).toFixed(1)} `);
    }
  });

  it('Export writes ONNX that runs alone and predicts what the run predicted', async () => {
    const written = await exportAsOnnx(page, method);
    await expectToPredictAlone(written, { project, run, method, tasks: ['mnist', 'letters'] });
    const revealed = await catchRevealed(running.app);
    await currentView(page).getByRole('button', { name: 'Show in folder' }).click();
    await eventually(revealed, [written]);
  });

  it('the folder of a run is shown in the file manager', async () => {
    await show(page, 'Runs');
    const revealed = await catchRevealed(running.app);
    await currentView(page).getByRole('button', { name: 'Open folder' }).click();
    await eventually(revealed, [run]);
  });

  it.each(themes)('every view is kept as a picture, %s', async (theme) => {
    await setTheme(running, theme);
    for (const view of views) {
      await show(page, view);
      // Charts glide to their values.
      await page.waitForTimeout(350);
      await keepPicture(page, `${theme}-${view.toLowerCase()}`);
    }
  });
});

/** Enough to be held, stopped and killed in the middle on a fast machine as well. */
const smallSteps = 120;
const small = {
  tasks: ['mnist', 'fashion', 'signs'],
  images: 60,
  batch: 6,
  methods: [
    { id: 'individual' },
    { id: 'task_arithmetic', parameters: { lambda: 0.3 } },
    { id: method, method: 'wemoe', parameters: { router_layers: 1, steps: smallSteps } },
  ],
};

describe('a run that does not go straight', () => {
  let project: string;
  let run: string;

  it('a second start with a project brings the first window forward and opens it there', async () => {
    project = join(folder, 'Small project');
    await createSmallDemo(project, small);
    const visible = () =>
      running.app.evaluate(({ BrowserWindow }) =>
        BrowserWindow.getAllWindows().map((window) => window.isVisible()),
      );
    await running.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.hide());
    await eventually(visible, [false]);
    expect(await openInSecondInstance(running, project)).toBe(0);
    await eventually(visible, [true]);
    expect(running.app.windows()).toHaveLength(1);
    await show(page, 'Project');
    await opened(page, 'Small project');
  });

  it('pauses and goes on', async () => {
    await startRun(page);
    run = runFolders(project).at(-1) ?? ''; // The demo comes with a run of its own.
    await untilAdapting(page);
    await currentView(page).getByRole('button', { name: 'Pause', exact: true }).click();
    await dock(page).getByText('Paused').waitFor();
    // The step in progress ends before the pause begins.
    await page.waitForTimeout(400);
    const before = await stepsOf(run);
    await page.waitForTimeout(600);
    expect(await stepsOf(run)).toBe(before);
    await currentView(page).getByRole('button', { name: 'Go on', exact: true }).click();
    await eventually(async () => (await stepsOf(run)) > before, true);
  });

  it('is cancelled, and goes on from there', async () => {
    await dock(page).getByRole('button', { name: 'Cancel', exact: true }).click();
    await currentView(page).getByText('This run was cancelled.').waitFor();
    expect(await dock(page).count()).toBe(0);
    const done = await stepsOf(run);
    expect(done).toBeLessThan(smallSteps);
    await currentView(page).getByRole('button', { name: 'Resume', exact: true }).click();
    await untilAdapting(page);
    await eventually(async () => (await stepsOf(run)) > done, true);
  });

  it('survives the death of the compute process', async () => {
    const former = await computePid(running.app);
    process.kill(former!, 'SIGKILL');
    const banner = page.getByRole('alert').filter({ hasText: 'compute process' });
    await banner.getByText(/ended from outside|crashed/).waitFor();
    await show(page, 'Project');
    await banner.getByText('A new one is ready; nothing in the project was lost.').waitFor();
    expect(await computePid(running.app)).not.toBe(former);
    await banner.getByRole('button', { name: 'Resume “small”' }).click();
    await dock(page).waitFor();
    await show(page, 'Merge');
    await watchToTheEnd(page);
    await currentView(page).getByRole('button', { name: 'Routing', exact: true }).waitFor();
  });

  it('ends with the bytes of a run that nothing disturbed', async () => {
    const recipe = await readFile(join(run, 'recipe.yaml'), 'utf8');
    const undisturbed = await runWithoutWindow(project, parseRecipe(recipe, 'recipe.yaml'));
    for (const file of ['report.json', 'routing.safetensors', 'events.jsonl']) {
      const [one, other] = await Promise.all(
        [run, undisturbed.folder].map((at) => readFile(join(at, file))),
      );
      expect(one!.equals(other!), file).toBe(true);
    }
  });

  it('is ended early with its best step', async () => {
    await startRun(page);
    await untilAdapting(page);
    const early = runFolders(project).at(-1)!;
    await eventually(async () => (await stepsOf(early)) > 5, true);
    await currentView(page).getByRole('button', { name: 'Stop and keep best' }).click();
    await watchToTheEnd(page);
    const { stoppedAt, keptStep } = (await reportOf(early)).methods.find(
      ({ id }) => id === method,
    )!;
    expect(stoppedAt).toBeLessThan(smallSteps);
    expect(keptStep).toBeLessThanOrEqual(stoppedAt!);
    await currentView(page)
      .getByText(`ended early; parameters of step ${keptStep!} were kept`)
      .waitFor();
  });
});

describe('the next day', () => {
  it('the window is where and as it was, on the project that was open', async () => {
    await setTheme(running, 'dark');
    const bounds = { x: 120, y: 80, width: 1280, height: 800 };
    await running.app.evaluate(({ BrowserWindow }, wanted) => {
      BrowserWindow.getAllWindows()[0]?.setBounds(wanted);
    }, bounds);
    await page.waitForTimeout(700);
    expect(running.problems).toEqual([]);
    await running.close();
    await launch();
    await opened(page, 'Small project');
    const found = await running.app.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0]?.getNormalBounds(),
    );
    expect(found).toEqual(bounds);
    expect(await page.evaluate('matchMedia("(prefers-color-scheme: dark)").matches')).toBe(true);
    await eventually(async () => (await entryOf(page, 'Runs').textContent())?.includes('3'), true);
  });

  it('the recent projects are at hand', async () => {
    await page.getByRole('button', { name: /^Mergewright Small project/ }).click();
    await page.getByRole('menuitem', { name: /^Demo project/ }).click();
    await opened(page, 'Demo project');
  });

  it('nothing was reported on the console', () => {
    expect(running.problems).toEqual([]);
  });
});
