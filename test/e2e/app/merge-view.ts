/** The Merge view as a person uses it. */
import type { Locator, Page } from 'playwright-core';
import { expect, vi } from 'vitest';
import { runProgress } from './in-page.mjs';
import { currentView, show } from './window.ts';

/** Runs take as long as they take; on a busy machine several times as long as on an idle one. */
const runMs = 300_000;

/** Leaves these methods of the draft; the others are removed one after another. */
export async function keepMethods(page: Page, ids: readonly string[]): Promise<void> {
  const removers = currentView(page).getByRole('button', { name: /^Remove / });
  await removers.first().waitFor();
  const names = await removers.evaluateAll((buttons) =>
    buttons.map((button) => button.getAttribute('aria-label') ?? ''),
  );
  for (const name of names) {
    if (ids.includes(name.replace('Remove ', ''))) continue;
    await currentView(page).getByRole('button', { name, exact: true }).click();
  }
}

/** Leaves these tasks of the draft, by their titles. */
export async function keepTasks(page: Page, titles: readonly string[]): Promise<void> {
  const list = currentView(page).getByRole('list', { name: 'Tasks that take part' });
  await list.getByRole('checkbox').first().waitFor();
  for (const box of await list.getByRole('checkbox').all()) {
    const title = await box.evaluate((input) => input.closest('label')?.textContent.trim() ?? '');
    await box.setChecked(titles.includes(title));
  }
}

/** Opens a method of the draft and types a value. */
export async function setParameter(
  page: Page,
  method: RegExp,
  parameter: string,
  value: string,
): Promise<void> {
  const entry = currentView(page)
    .getByRole('listitem')
    .filter({ has: page.getByRole('button', { name: method }) })
    .first();
  const head = entry.getByRole('button', { name: method, expanded: false });
  if ((await head.count()) > 0) await head.first().click();
  await entry.getByRole('textbox', { name: parameter, exact: true }).fill(value);
}

/** Goes to the draft, also from a run that the view shows instead. */
export async function showDraft(page: Page): Promise<void> {
  await show(page, 'Merge');
  const setUp = currentView(page).getByRole('radio', { name: 'Set up' });
  if ((await setUp.count()) > 0) await setUp.check({ force: true });
}

/** Starts the draft; resolves when the run is going on. */
export async function startRun(page: Page): Promise<void> {
  await showDraft(page);
  const run = currentView(page).getByRole('button', { name: 'Run', exact: true });
  await run.click();
  await dock(page).waitFor();
}

/** The bar at the bottom that stands for the run in progress. */
export function dock(page: Page): Locator {
  return page.getByRole('region', { name: 'Run in progress' });
}

/** Waits until nothing runs, and returns every share of the work that the bar showed, in percent. */
export async function watchToTheEnd(page: Page): Promise<number[]> {
  const seen: number[] = [];
  await vi.waitFor(
    async () => {
      const percent = await page.evaluate(runProgress);
      if (percent !== null) seen.push(percent);
      expect(await dock(page).count()).toBe(0);
    },
    { timeout: runMs, interval: 100 },
  );
  return seen;
}

/** Waits until the run adapts, so that it can be paused. */
export async function untilAdapting(page: Page): Promise<void> {
  await currentView(page)
    .getByRole('button', { name: 'Pause', exact: true, disabled: false })
    .waitFor({ timeout: runMs });
}
