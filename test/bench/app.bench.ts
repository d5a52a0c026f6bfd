/**
 * How the application feels: `npx tsx test/bench/app.bench.ts` [--starts 5] [--steps 60]. Prints, for the built
 * application on this machine: first paint after the start of the process, switching between views, and how late the
 * event loops of shell, window and compute process are while a run of the demo goes on. The heatmaps have a benchmark of
 * their own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ElectronApplication } from 'playwright-core';
import { root } from '../../build/bundles.ts';
import { buildDesktop } from '../../build/desktop.ts';
import { findRuntime } from '../../build/electron/runtime.ts';
import { firstPaint, startDelay, stopDelay, timeSwitch } from '../e2e/app/in-page.mjs';
import { createSmallDemo, runWithoutWindow } from '../e2e/app/projects.ts';
import { launchBuilt, launchPackaged } from '../support/app.ts';

const { values: options } = parseArgs({
  options: { starts: { type: 'string', default: '5' }, steps: { type: 'string', default: '60' } },
});
const views = ['Project', 'Merge', 'Routing', 'Compare', 'Runs', 'Export'];
const tasks = ['mnist', 'fashion', 'streetdigits', 'signs', 'planets', 'letters', 'kana', 'emoji'];

const folder = mkdtempSync(path.join(tmpdir(), 'mergewright-bench-'));

function row(what: string, value: string, target: string): void {
  console.log(`${what.padEnd(44)} ${value.padEnd(28)} ${target}`);
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

/** Without Playwright in the main process, which would wait for it; the first start warms the caches and is left out. */
async function timeStarts(count: number): Promise<void> {
  const { executable } = await findRuntime();
  const userData = path.join(folder, 'starts');
  const times: number[] = [];
  for (let start = 0; start <= count; start++) {
    const began = Date.now();
    const running = await launchPackaged(executable, { userData, arguments: [root] });
    let paint: number | null = null;
    for (let look = 0; look < 200 && paint === null; look++) {
      paint = await running.page.evaluate(firstPaint);
      await delay(25);
    }
    await running.close();
    if (start > 0 && paint !== null) times.push(paint - began);
  }
  row(
    'first paint after process start, median',
    `${ms(middle(times))} (worst ${ms(Math.max(...times))})`,
    'target 1500 ms',
  );
}

/** Holds every compute process that starts from now on, and has one start. */
async function holdCompute(app: ElectronApplication): Promise<void> {
  await app.evaluate(({ utilityProcess, Menu }) => {
    const fork = utilityProcess.fork.bind(utilityProcess);
    utilityProcess.fork = (...words) => {
      const child = fork(...words);
      (globalThis as { heldCompute?: unknown }).heldCompute = child;
      return child;
    };
    const menu = Menu.getApplicationMenu()?.items.find((item) => item.label === '&Run');
    menu?.submenu?.items.find((item) => item.label.startsWith('Restart'))?.click();
  });
  await delay(3000);
}

/** The 99th percentile of the compute process's delay since the last time; the process measures itself. */
function computeDelay(app: ElectronApplication): Promise<number> {
  return app.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const child = (globalThis as unknown as { heldCompute: Electron.UtilityProcess })
          .heldCompute;
        const listen = (message: { type: string; p99: number }): void => {
          if (message.type !== 'delay') return;
          child.off('message', listen);
          resolve(message.p99);
        };
        child.on('message', listen);
        child.postMessage({ type: 'measure' });
      }),
  );
}

interface Histogram {
  enable(): void;
  percentile(percent: number): number;
}

async function startShellDelay(app: ElectronApplication): Promise<void> {
  await app.evaluate(() => {
    const hooks = process.getBuiltinModule('node:perf_hooks');
    const histogram = hooks.monitorEventLoopDelay({ resolution: 10 });
    histogram.enable();
    (globalThis as { shellDelay?: unknown }).shellDelay = histogram;
  });
}

function shellDelay(app: ElectronApplication): Promise<number> {
  return app.evaluate(() => {
    const { shellDelay: histogram } = globalThis as unknown as { shellDelay: Histogram };
    return Math.max(0, histogram.percentile(99) / 1e6 - 10);
  });
}

async function timeInside(): Promise<void> {
  const project = path.join(folder, 'Benchmark');
  const draft = {
    tasks,
    images: 250,
    batch: 16,
    methods: [
      { id: 'individual' },
      {
        id: 'wemoe_1',
        method: 'wemoe',
        parameters: { router_layers: 1, steps: Number(options.steps) },
      },
    ],
  };
  const recipe = await createSmallDemo(project, draft);
  const short = { ...draft.methods[1]!, parameters: { router_layers: 1, steps: 4 } };
  await runWithoutWindow(project, {
    ...recipe,
    methods: [recipe.methods[0]!, { ...recipe.methods[1]!, ...short }],
  });
  const { app, page, close } = await launchBuilt({
    userData: path.join(folder, 'inside'),
    project,
  });
  // tsx names functions with a helper that neither page nor shell has.
  await page.evaluate('globalThis.__name = (value) => value');
  await app.evaluate('globalThis.__name = (value) => value');
  await page.getByRole('heading', { level: 1, name: 'Benchmark' }).waitFor();
  const entry = (view: string) =>
    page
      .getByRole('navigation', { name: 'Views' })
      .getByRole('button', { name: new RegExp(`^${view}`) });
  for (const view of views) {
    await entry(view).click();
    await delay(1500);
  }
  const switches = new Map<string, number[]>();
  for (let round = 0; round < 7; round++) {
    for (const view of views) {
      const time = await page.evaluate(timeSwitch, view);
      switches.set(view, [...(switches.get(view) ?? []), time]);
      await delay(150);
    }
  }
  for (const [view, times] of switches) {
    row(
      `switch to ${view}, median`,
      `${ms(middle(times))} (worst ${ms(Math.max(...times))})`,
      'target 100 ms',
    );
  }

  await holdCompute(app);
  await entry('Merge').click();
  await page.getByRole('radio', { name: 'Set up' }).check({ force: true });
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page
    .getByRole('main')
    .getByRole('button', { name: 'Pause', exact: true, disabled: false })
    .waitFor({ timeout: 120_000 });
  await computeDelay(app);
  await startShellDelay(app);
  await page.evaluate(startDelay);
  const began = Date.now();
  const dock = page.getByRole('region', { name: 'Run in progress' });
  while ((await dock.count()) > 0 && Date.now() - began < 120_000) await delay(500);
  const seconds = ((Date.now() - began) / 1000).toFixed(0);
  const window = await page.evaluate(stopDelay);
  row(
    `event loop of the shell, p99 over ${seconds} s of a run`,
    ms(await shellDelay(app)),
    'target 50 ms',
  );
  row('event loop of the window, p99', ms(window.p99), 'target 50 ms');
  row('event loop of the compute process, p99', ms(await computeDelay(app)), '(computes)');
  await close();
}

try {
  await buildDesktop();
  await timeStarts(Number(options.starts));
  await timeInside();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
