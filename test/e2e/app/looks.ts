/** What every state of the window must be like: nothing serious for axe, nothing cut off in the smallest window. */
import type axe from 'axe-core';
import type { Page } from 'playwright-core';
import type { BuiltApp } from '../../support/app.ts';
import { findCutOff } from './in-page.mjs';
import { currentView, eventually, keepPicture, resize, setTheme, themes } from './window.ts';

/** Rules that the page breaks seriously, with the elements that do; `axe.source` must have been evaluated there. */
export async function seriousViolations(page: Page): Promise<string[]> {
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run({ resultTypes: ['violations'] }),
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(
        ({ target, failureSummary = '' }) => `${id}: ${target.join(' ')} ${failureSummary}`,
      ),
    );
}

/** In both themes and in the smallest window; a picture of each is kept under `name`. */
export async function looksRight(running: BuiltApp, name: string): Promise<void> {
  const { app, page } = running;
  // What is out of date is shown fainter until the new answer is there.
  await eventually(() => currentView(page).locator('.stale').count(), 0);
  for (const theme of themes) {
    await setTheme(running, theme);
    // The colours of the theme come to the page a moment later.
    const dark = () => page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches");
    await eventually(dark, theme === 'dark');
    await eventually(() => seriousViolations(page), [], 5000);
    await keepPicture(page, `${name}-${theme}`);
  }
  await resize(app, 1000, 640);
  await eventually(() => page.evaluate(findCutOff), [], 5000);
  await keepPicture(page, `${name}-small`);
  await resize(app, 1400, 900);
}
