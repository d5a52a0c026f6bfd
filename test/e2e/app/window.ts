/** The window as a test uses it: views by their names in the sidebar, theme and size by the shell. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { ElectronApplication, Locator, Page } from 'playwright-core';
import { expect, vi } from 'vitest';
import { root } from '../program.ts';

export const views = ['Project', 'Merge', 'Routing', 'Compare', 'Runs', 'Export'] as const;
export type View = (typeof views)[number];

export const themes = ['light', 'dark'] as const;
export type Theme = (typeof themes)[number];

/** How long anything but a run may take on a busy machine. */
const patienceMs = 60_000;

/** Waits until `read` gives `wanted`; also within hooks, where expect.poll does not work. */
export async function eventually<Value>(
  read: () => Promise<Value> | Value,
  wanted: unknown,
  timeout = patienceMs,
): Promise<void> {
  await vi.waitFor(async () => expect(await read()).toEqual(wanted), { timeout, interval: 50 });
}

/** The view in sight. */
export function currentView(page: Page): Locator {
  return page.locator('main:not([hidden])');
}

export function entryOf(page: Page, view: View): Locator {
  return page
    .getByRole('navigation', { name: 'Views' })
    .getByRole('button', { name: new RegExp(`^${view}\\b`) });
}

/** Waits until an element is there; says what is there instead if it does not come. */
async function appears(page: Page, element: Locator): Promise<void> {
  await element.waitFor({ timeout: patienceMs }).catch(async (error: unknown) => {
    const text = await page.locator('body').innerText();
    throw new Error(`it does not appear; the window says: ${text}`, { cause: error });
  });
}

/** Waits until the view in sight has everything that it was loading. */
export async function settled(page: Page): Promise<void> {
  await appears(page, currentView(page).getByRole('heading', { level: 1 }));
  await eventually(() => currentView(page).locator('[aria-busy="true"]:visible').count(), 0);
}

/** Goes to a view as a person does, and waits until it is there. */
export async function show(page: Page, view: View): Promise<Locator> {
  await entryOf(page, view).click();
  await page.locator(`main[data-view="${view.toLowerCase()}"]`).waitFor({ timeout: patienceMs });
  await settled(page);
  return currentView(page);
}

/** Waits until a project of this title is open. */
export async function opened(page: Page, title: string): Promise<void> {
  await appears(page, page.getByRole('heading', { level: 1, name: title, exact: true }));
  await settled(page);
}

/** Chooses the theme in the menu, and waits until the window is drawn in it. */
export async function setTheme(
  { app, page }: { readonly app: ElectronApplication; readonly page: Page },
  theme: Theme,
): Promise<void> {
  await app.evaluate(({ Menu }, label) => {
    const view = Menu.getApplicationMenu()?.items.find((item) => item.label === '&View');
    const choice = view?.submenu?.items.find((item) => item.label === 'Theme')?.submenu;
    choice?.items.find((item) => item.label.toLowerCase() === label)?.click();
  }, theme);
  await page.waitForFunction(
    (wanted) => matchMedia(`(prefers-color-scheme: ${wanted})`).matches,
    theme,
    { timeout: patienceMs },
  );
  await page.evaluate(
    () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))),
  );
}

/** Chooses an entry of a menu of the application `times` times. */
export async function chooseOfMenu(
  app: ElectronApplication,
  menu: 'File' | 'Edit' | 'View' | 'Run' | 'Help',
  label: string,
  times = 1,
): Promise<void> {
  const found = await app.evaluate(
    ({ Menu }, wanted) => {
      const plain = (text: string) => text.replace('&', '');
      const menus = Menu.getApplicationMenu()?.items ?? [];
      const entries = menus.find((item) => plain(item.label) === wanted.menu)?.submenu?.items;
      const entry = entries?.find((item) => plain(item.label) === wanted.label);
      for (let time = 0; time < wanted.times; time++) entry?.click();
      return entry !== undefined;
    },
    { menu, label, times },
  );
  expect(found, `${menu} > ${label}`).toBe(true);
}

export async function resize(
  app: ElectronApplication,
  width: number,
  height: number,
): Promise<void> {
  await app.evaluate(
    ({ BrowserWindow }, size) => {
      BrowserWindow.getAllWindows()[0]?.setContentSize(size.width, size.height);
    },
    { width, height },
  );
}

/** Keeps a picture of the window for people, in a folder that is not under version control. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = path.join(root, '.cache/screenshots');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`) });
}

/** The process id of the compute process, as the shell knows it. */
export async function computePid(app: ElectronApplication): Promise<number | undefined> {
  return app.evaluate(
    (electron) =>
      electron.app.getAppMetrics().find((metric) => metric.name === 'Mergewright compute')?.pid,
  );
}
