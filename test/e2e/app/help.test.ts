/** The help: reached from the menu and by key, read by everybody, left where one was. */
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';
import { chooseOfMenu, setTheme, themes } from './window.ts';

let running: BuiltApp;
let page: Page;

beforeAll(async () => {
  running = await launchBuilt();
  ({ page } = running);
  await page.emulateMedia({ reducedMotion: 'reduce', colorScheme: null });
  await page.evaluate(axe.source);
  // The menu speaks to the window once its port is there.
  await page.locator('main[data-view="project"]').waitFor({ timeout: 60_000 });
});

afterAll(async () => {
  await running.close();
});

const pages = ['Getting started', 'Keyboard', 'Terms', 'Papers'];

async function openByMenu(label: string): Promise<void> {
  await chooseOfMenu(running.app, 'Help', label);
  await page.getByRole('dialog', { name: 'Help' }).waitFor();
}

async function close(): Promise<void> {
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

describe.each(themes)('every page is sound, %s:', (theme) => {
  beforeAll(async () => {
    await setTheme(running, theme);
    await openByMenu('Mergewright help');
  });
  afterAll(close);

  it.each(pages)('%s', async (name) => {
    await page.getByRole('tab', { name, exact: true }).click();
    await page.getByRole('region', { name, exact: true }).waitFor();
    await page.locator('dialog [aria-busy="true"]').waitFor({ state: 'detached' });
    const { violations } = await page.evaluate(() =>
      (globalThis as unknown as { axe: typeof axe }).axe.run('dialog', {
        resultTypes: ['violations'],
      }),
    );
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  });
});

it('lists the keys of every entry of the menu that has any', async () => {
  await openByMenu('Keyboard shortcuts');
  const listed = await page.locator('dialog dt').allInnerTexts();
  const keys = listed.map((text) => text.replaceAll(/\s+/g, '+').replaceAll('−', '-'));
  const accelerators = await running.app.evaluate(({ Menu }) =>
    (Menu.getApplicationMenu()?.items ?? [])
      .flatMap((menu) => menu.submenu?.items ?? [])
      .filter((item) => item.visible && !item.role)
      // Null where an entry has none, whatever the types say.
      .flatMap(({ accelerator }) => (accelerator ? [accelerator] : [])),
  );
  expect(accelerators.length).toBeGreaterThan(15);
  const printed = accelerators.map((text) =>
    text.replace('CmdOrCtrl', process.platform === 'darwin' ? '⌘' : 'Ctrl').replace('Plus', '+'),
  );
  expect(printed.filter((one) => !keys.includes(one))).toEqual([]);
  await close();
});

it('names papers that open in the browser, through the table of addresses', async () => {
  await running.app.evaluate(({ shell }) => {
    const opened: string[] = [];
    Object.assign(globalThis, { opened });
    shell.openExternal = (url) => {
      opened.push(url);
      return Promise.resolve();
    };
  });
  await openByMenu('Mergewright help');
  await page.getByRole('tab', { name: 'Papers' }).click();
  await page
    .getByRole('button', {
      name: /via weight-ensembling mixture of experts \(Tang et al\. 2024\)$/,
    })
    .click();
  await expect
    .poll(() => running.app.evaluate(() => (globalThis as unknown as { opened: string[] }).opened))
    .toEqual(['https://arxiv.org/abs/2402.00433']);
  await close();
});

it('keeps the focus inside, and gives it back', async () => {
  const merge = page.getByRole('navigation').getByRole('button', { name: 'Merge' });
  await merge.focus();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Help' }).waitFor();
  for (let press = 0; press < 12; press++) {
    await page.keyboard.press('Tab');
    const inside = await page.evaluate(`
      document.activeElement === document.body || document.activeElement.closest('dialog') !== null
    `);
    expect(inside).toBe(true);
  }
  await close();
  expect(await merge.evaluate((button) => button === button.ownerDocument.activeElement)).toBe(
    true,
  );
});

it('a step leads to its view', async () => {
  await openByMenu('Mergewright help');
  await page.getByRole('dialog').getByRole('button', { name: 'Routing' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.locator('main[data-view="routing"]:not([hidden])').waitFor();
});
