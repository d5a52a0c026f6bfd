/**
 * The window for those who use it otherwise: with a screen reader, without a mouse, enlarged, in a small window, in
 * either theme. Every view is looked at with the results of a real run, and once without any.
 */
import axe from 'axe-core';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { describeFocus, findCutOff, type Focus } from './in-page.mjs';
import { seriousViolations } from './looks.ts';
import { createSmallDemo, runWithoutWindow } from './projects.ts';
import { openInSecondInstance } from './second-instance.ts';
import {
  chooseOfMenu,
  currentView,
  eventually,
  opened,
  resize,
  setTheme,
  settled,
  show,
  themes,
  views,
} from './window.ts';

const small = {
  tasks: ['mnist', 'fashion', 'signs'],
  images: 40,
  batch: 4,
  methods: [
    { id: 'individual' },
    { id: 'task_arithmetic', parameters: { lambda: 0.3 } },
    { id: 'wemoe_1', method: 'wemoe', parameters: { router_layers: 1, steps: 8 } },
  ],
};

let running: BuiltApp;
let page: Page;
let withoutRuns: string;

beforeAll(async () => {
  const folder = await temporaryFolder();
  const project = join(folder, 'With results');
  withoutRuns = join(folder, 'Without results');
  await runWithoutWindow(project, await createSmallDemo(project, small));
  await createSmallDemo(withoutRuns, small);
  running = await launchBuilt({ userData: join(folder, 'data'), project });
  ({ page } = running);
  // What moves has no colour to measure and no place to look at.
  await page.emulateMedia({ reducedMotion: 'reduce', colorScheme: null });
  await page.evaluate(axe.source);
  await opened(page, 'With results');
});

afterAll(async () => {
  await running.close();
});

describe.each(themes)('axe finds nothing serious with results, %s:', (theme) => {
  beforeAll(() => setTheme(running, theme));
  it.each(views)('%s', async (view) => {
    await show(page, view);
    expect(await seriousViolations(page)).toEqual([]);
  });
  it.each(otherKinds)('Merge, %s', async (kind) => {
    await showKind(kind);
    expect(await seriousViolations(page)).toEqual([]);
    await showKind('Merge and measure');
  });
});

/** What the Merge view shows beside its usual kind; that one is chosen again afterwards. */
const otherKinds = ['Weights only', 'LoRA adapters', 'Experiments'] as const;

async function showKind(kind: string): Promise<void> {
  await show(page, 'Merge');
  await currentView(page).getByRole('radio', { name: kind }).check({ force: true });
  await settled(page);
}

/** Presses Tab until the focus comes back to where it began; every stop once. */
async function tabStops(): Promise<Focus[]> {
  const stops: Focus[] = [];
  for (let press = 0; press < 250; press++) {
    await page.keyboard.press('Tab');
    const focus = await page.evaluate(describeFocus);
    // The page as a whole may be a stop between the last one and the first one.
    if (focus === null) continue;
    if (focus.index === stops[0]?.index) return stops;
    const again = stops.find(({ index }) => index === focus.index);
    if (again !== undefined) throw new Error(`Tab is trapped: it comes back to ${again.name}`);
    stops.push(focus);
  }
  throw new Error(`Tab does not come to an end: ${stops.at(-3)?.name ?? ''}`);
}

/** Presses Tab until the focus is on an element that is called so. */
async function tabTo(name: string): Promise<void> {
  for (let press = 0; press < 250; press++) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate(describeFocus))?.name.startsWith(name) === true) return;
  }
  throw new Error(`Tab does not reach ${name}`);
}

describe('by keyboard alone', () => {
  it.each(views)('%s: is reached and left, and every stop is marked and in sight', async (view) => {
    await tabTo(`button “${view}`);
    await page.keyboard.press('Enter');
    await page.locator(`main[data-view="${view.toLowerCase()}"]`).waitFor();
    await settled(page);
    const stops = await tabStops();
    expect(stops.length).toBeGreaterThan(7);
    expect(stops.filter(({ marked, inSight }) => !marked || !inSight)).toEqual([]);
  });
  it.each(otherKinds)('Merge, %s: every stop is marked and in sight', async (kind) => {
    await showKind(kind);
    const stops = await tabStops();
    expect(stops.length).toBeGreaterThan(7);
    expect(stops.filter(({ marked, inSight }) => !marked || !inSight)).toEqual([]);
    await showKind('Merge and measure');
  });
});

describe.each([
  ['enlarged to 200 % in a large window', { width: 1400, height: 900, zoom: 2 }],
  ['reduced to 80 %', { width: 1400, height: 900, zoom: 0.8 }],
  ['in the smallest window', { width: 1000, height: 640, zoom: 1 }],
  ['enlarged to 200 % in the smallest window', { width: 1000, height: 640, zoom: 2 }],
  ['in a very large window', { width: 2560, height: 1440, zoom: 1 }],
])('%s', (_name, { width, height, zoom }) => {
  beforeAll(async () => {
    await resize(running.app, width, height);
    await chooseOfMenu(running.app, 'View', 'Actual size');
    const steps = Math.round((zoom - 1) * 10);
    await chooseOfMenu(running.app, 'View', steps < 0 ? 'Zoom out' : 'Zoom in', Math.abs(steps));
    await eventually(() => page.evaluate('innerWidth'), Math.round(width / zoom));
  });
  it.each(views)('%s: nothing leaves the window, no control is cut off', async (view) => {
    await show(page, view);
    await eventually(() => page.evaluate(findCutOff), [], 5000);
  });
  it.each(otherKinds)(
    'Merge, %s: nothing leaves the window, no control is cut off',
    async (kind) => {
      await showKind(kind);
      await eventually(() => page.evaluate(findCutOff), [], 5000);
      await showKind('Merge and measure');
    },
  );
});

describe('without any run', () => {
  beforeAll(async () => {
    await resize(running.app, 1400, 900);
    await chooseOfMenu(running.app, 'View', 'Actual size');
    await setTheme(running, 'light');
    await show(page, 'Project');
    await openInSecondInstance(running, withoutRuns);
    await opened(page, 'Without results');
  });
  it.each(views)('%s: says what to do next, and axe finds nothing serious', async (view) => {
    await show(page, view);
    expect(await seriousViolations(page)).toEqual([]);
    if (view === 'Project' || view === 'Merge') return;
    const way = currentView(page).getByRole('button', { name: /set up/i });
    expect(await way.count()).toBe(1);
  });
});

it('nothing was reported on the console', () => {
  expect(running.problems).toEqual([]);
});
