/** The help: from the menu and its key, read by keyboard, closed again. */
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';
import { chooseOfMenu, eventually, opened } from './window.ts';

let running: BuiltApp;
let page: Page;
let help: Locator;

beforeAll(async () => {
  running = await launchBuilt();
  ({ page } = running);
  await opened(page, 'Demo project');
  help = page.getByRole('dialog', { name: 'Help' });
});

afterAll(() => running.close());

it('opens from the menu, which names F1 as its key', async () => {
  const accelerator = await running.app.evaluate(({ Menu }) => {
    const entries = Menu.getApplicationMenu()?.items.flatMap((item) => item.submenu?.items ?? []);
    return entries?.find(({ label }) => label === 'Mergewright help')?.accelerator;
  });
  expect(accelerator).toBe('F1');
  await chooseOfMenu(running.app, 'Help', 'Mergewright help');
  await help.waitFor();
});

it('has pages that are all there, and the keys of the menu', async () => {
  const tabs = help.getByRole('tab');
  await eventually(async () => (await tabs.count()) > 2, true);
  for (const tab of await tabs.all()) {
    await tab.click();
    await eventually(async () => (await help.innerText()).length > 300, true);
  }
  await page.keyboard.press('Escape');
  await eventually(() => help.count(), 0);
  await chooseOfMenu(running.app, 'Help', 'Keyboard shortcuts');
  await help.waitFor();
  await help.getByText('Start', { exact: true }).first().waitFor();
  await help
    .getByText(/Ctrl\s*\+?\s*Enter/)
    .first()
    .waitFor();
});

it('gives the window back on Escape', async () => {
  await page.keyboard.press('Escape');
  await eventually(() => help.count(), 0);
  expect(running.problems).toEqual([]);
});
