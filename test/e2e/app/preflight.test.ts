/**
 * What the Merge view finds before a run, and the buttons that put it right: each is pressed, and does what it says.
 * The project brings a recipe that somebody wrote by hand, not too carefully.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { formatRecipe, parseRecipe } from '../../../main/runs/recipe.ts';
import { dock, startRun } from './merge-view.ts';
import { createSmallDemo } from './projects.ts';
import { runFolders } from './runs-on-disk.ts';
import { chooseOfMenu, currentView, eventually, opened, show } from './window.ts';

let project: string;
let running: BuiltApp;
let page: Page;

beforeAll(async () => {
  const folder = await temporaryFolder();
  project = join(folder, 'Project of yesterday');
  const careless = await createSmallDemo(project, {
    tasks: ['mnist', 'fashion', 'signs'],
    images: 20,
    batch: 4,
    methods: [
      { id: 'spells' },
      { id: 'ties', parameters: { colour: 1 } },
      { id: 'task_arithmetic', parameters: { lambda: 99 } },
      { id: 'wemoe', parameters: { router_layers: 1, steps: 5 } },
    ],
  });
  await writeFile(
    join(project, 'recipe.yaml'),
    formatRecipe({ ...careless, monitor: { images: 10 } }),
  );
  running = await launchBuilt({ userData: join(folder, 'data'), project });
  ({ page } = running);
  page.setDefaultTimeout(60_000);
  await opened(page, 'Project of yesterday');
  await show(page, 'Merge');
});

afterAll(() => running.close());

function finding(text: string): Locator {
  return currentView(page).locator('.findings li').filter({ hasText: text });
}

function runButton(): Locator {
  return currentView(page).getByRole('button', { name: 'Run', exact: true });
}

/** Presses the button of a finding and waits until nothing is left to find of it. */
async function press(found: string, button: string): Promise<void> {
  await finding(found).getByRole('button', { name: button, exact: true }).click();
  await eventually(() => finding(found).count(), 0);
}

/** The recipe that a run would have, as the window shows it. */
async function shownRecipe() {
  await currentView(page).getByRole('button', { name: 'Show the recipe' }).click();
  const dialog = page.getByRole('dialog', { name: 'Recipe' });
  const text = (await dialog.locator('pre').textContent()) ?? '';
  await page.keyboard.press('Escape');
  await eventually(() => dialog.count(), 0);
  return parseRecipe(text, 'shown');
}

async function parametersOf(id: string) {
  return (await shownRecipe()).methods.find((entry) => entry.id === id)?.parameters;
}

describe('a fix', () => {
  it('removes a method that there is not', async () => {
    await finding('there is no merging method "spells"').waitFor();
    expect(await runButton().isDisabled()).toBe(true);
    await press('there is no merging method "spells"', 'Remove it');
    expect((await shownRecipe()).methods.map(({ id }) => id)).not.toContain('spells');
  });

  it('removes a parameter that the method does not take', async () => {
    await press('colour', 'Remove it');
    expect(await parametersOf('ties')).toEqual({});
  });

  it('takes the default for a value out of range', async () => {
    expect(await runButton().isDisabled()).toBe(true);
    await press('99', 'Use the default');
    expect(await parametersOf('task_arithmetic')).toEqual({});
    await eventually(() => runButton().isEnabled(), true);
  });

  it('takes more steps where too few would change nothing', async () => {
    await press('adapts for only 5 steps', 'Use 300 steps');
    expect(await parametersOf('wemoe')).toEqual({ router_layers: 1, steps: 300 });
    const entry = currentView(page).getByRole('button', { name: /^WEMoE/, expanded: false });
    await entry.click();
    const steps = currentView(page).getByRole('textbox', { name: 'Adaptation steps', exact: true });
    expect(await steps.inputValue()).toBe('300');
  });

  it('adds the individual models that results are compared with', async () => {
    await press('the individual models are not measured', 'Add individual models');
    expect((await shownRecipe()).methods[0]?.method).toBe('individual');
    await currentView(page).getByRole('button', { name: 'Remove individual' }).waitFor();
  });

  it('stops labels from being read', async () => {
    const curve = currentView(page).getByRole('switch', { name: 'Draw accuracy while adapting' });
    expect(await curve.isChecked()).toBe(true);
    await press('labels of 10 images of each task are read', 'Do not read labels');
    expect(await curve.isChecked()).toBe(false);
    expect((await shownRecipe()).monitor).toBeUndefined();
  });

  it('is an edit like others: it can be undone', async () => {
    await chooseOfMenu(running.app, 'Edit', 'Undo');
    await finding('labels of 10 images of each task are read').waitFor();
    await press('labels of 10 images of each task are read', 'Do not read labels');
  });

  it('leaves out a task that was removed from the project', async () => {
    await show(page, 'Project');
    await currentView(page).getByRole('button', { name: 'Remove Signs-43' }).click();
    await show(page, 'Merge');
    await finding('the project has no task "signs" any more').waitFor();
    await eventually(() => runButton().isDisabled(), true);
    await press('the project has no task "signs" any more', 'Leave out signs');
    expect((await shownRecipe()).tasks.map(({ id }) => id)).toEqual(['mnist', 'fashion']);
  });
});

it('with nothing in its way, the run is that of the recipe shown', async () => {
  await currentView(page).getByText('Nothing stands in the way.').waitFor();
  const shown = await shownRecipe();
  await startRun(page);
  const [run = ''] = runFolders(project);
  const written = parseRecipe(await readFile(join(run, 'recipe.yaml'), 'utf8'), 'recipe.yaml');
  expect(written).toEqual(shown);
  await dock(page).getByRole('button', { name: 'Cancel', exact: true }).click();
  await eventually(() => dock(page).count(), 0);
  expect(running.problems).toEqual([]);
});
