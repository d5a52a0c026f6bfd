/**
 * How long the Routing view takes to redraw while its slider moves: `npx tsx test/bench/heatmap.bench.ts`
 * [--layers 24] [--tasks 20] [--snapshots 60]. Opens a project with a made-up run in the real application and slides.
 * Printed are the time the page's scripts take and the time until the picture is painted (waiting for the next frame
 * included), beside the time of choosing another layer, which redraws nothing but the one heatmap of Chart.js.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { recipeSchema } from '../../main/runs/recipe.ts';
import { saveMethodResult } from '../../main/runs/method-result.ts';
import { createRun, markRun } from '../../main/runs/run-folder.ts';
import { launchBuilt } from '../support/app.ts';

const { values: options } = parseArgs({
  options: {
    layers: { type: 'string', default: '24' },
    tasks: { type: 'string', default: '20' },
    snapshots: { type: 'string', default: '60' },
  },
});
const layers = Number(options.layers);
const tasks = Array.from({ length: Number(options.tasks) }, (_, index) => `task-${index}`);
const snapshots = Number(options.snapshots);
const images = 50;

/** Noise around λ₀ and a diagonal that grows with `share`; without a generator, as any numbers do. */
function lambdaAt(layer: number, share: number): number[][] {
  return tasks.map((_, t) =>
    tasks.map((_, k) => {
      const noise = Math.sin(12.9898 * (t + 1) + 78.233 * (k + 1) + 37.719 * (layer + 1)) * 0.3;
      const own = t === k ? 1 : 0;
      return 0.3 + share * (own * ((layer + 1) / layers) + noise);
    }),
  );
}

/** A project whose only run has finished, with everything that the Routing view reads. */
async function makeProject(folder: string): Promise<void> {
  await writeFile(
    join(folder, 'project.json'),
    JSON.stringify({ schema: 1, application: 'mergewright' }),
  );
  const recipe = recipeSchema.parse({
    schema: 1,
    name: 'large',
    base: 'base',
    tasks: tasks.map((id) => ({ id, expert: id, head: `${id}.safetensors`, data: `${id}.json` })),
    methods: [{ id: 'wemoe', parameters: { router_layers: 1 } }],
  });
  const run = await createRun(folder, recipe, folder);
  const final = Array.from({ length: layers }, (_, layer) => lambdaAt(layer, 1));
  const events = Array.from({ length: snapshots }, (_, index) => ({
    type: 'adaptation.routing',
    method: 'wemoe',
    step: index,
    lambda: Array.from({ length: layers }, (_, layer) => lambdaAt(layer, index / snapshots)),
  }));
  await writeFile(run.eventsPath, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  await saveMethodResult(run, {
    report: {
      id: 'wemoe',
      title: 'WEMoE',
      average: 0.5,
      normalizedAverage: null,
      accuracy: Object.fromEntries(tasks.map((id) => [id, 0.5])),
    },
    values: new Map(),
    routing: new Map(
      tasks.map((id, t) => {
        const image = final.flatMap((rows) => rows[t] ?? []);
        const data = Float32Array.from({ length: images * image.length }, (_, at) => {
          return image[at % image.length] ?? 0;
        });
        return [id, { shape: [images, layers, tasks.length], data }];
      }),
    ),
    predictions: new Map(),
  });
  await markRun(run, 'done');
}

interface Times {
  readonly script: number[];
  readonly painted: number[];
}

/**
 * Slides over forty moments, or walks through the layers; times in milliseconds. Runs in the page, whose globals
 * the tests' compiler does not know.
 */
const measureInPage = `async (what) => {
  const view = document.querySelector('[data-view=routing]');
  const slider = view.querySelector('input[type=range]');
  const buttons = [...view.querySelectorAll('.layers button')];
  const slide = (index) => () => {
    slider.valueAsNumber = (index * 7) % (Number(slider.max) + 1);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
  };
  const acts =
    what === 'slide'
      ? Array.from({ length: 40 }, (_, index) => slide(index))
      : buttons.map((button) => () => button.click());
  const times = { script: [], painted: [] };
  for (const act of acts) {
    // From the beginning of a frame, so that waiting for one is not counted twice.
    await new Promise((resolve) => requestAnimationFrame(resolve));
    const start = performance.now();
    act();
    // Effects run in a microtask.
    await Promise.resolve().then(() => Promise.resolve());
    times.script.push(performance.now() - start);
    await new Promise((resolve) => {
      requestAnimationFrame(() => {
        // Delivered after the frame has been laid out and painted.
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = resolve;
        port2.postMessage(undefined);
      });
    });
    times.painted.push(performance.now() - start);
  }
  return times;
}`;

function measure(page: Page, what: 'slide' | 'layer'): Promise<Times> {
  return page.evaluate<Times>(`(${measureInPage})('${what}')`);
}

function summary(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1);
  return `median ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${at(1)} ms`;
}

const folder = await mkdtemp(join(tmpdir(), 'mergewright-bench-'));
try {
  await makeProject(folder);
  const { app, page, problems, close } = await launchBuilt({ project: folder });
  try {
    await app.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0]?.setContentSize(1600, 1000),
    );
    await page.waitForSelector('main[data-view=project]', { timeout: 60_000 });
    await app.evaluate(({ Menu }) => {
      const view = Menu.getApplicationMenu()?.items.find((item) => item.label === '&View');
      view?.submenu?.items.find((item) => item.label.includes('Routing'))?.click();
    });
    await page.waitForSelector('[data-view=routing] [role=grid] canvas', { timeout: 60_000 });
    await measure(page, 'slide'); // warm
    const slide = await measure(page, 'slide');
    const layer = await measure(page, 'layer');
    console.log(
      `${layers} layers, ${tasks.length} × ${tasks.length} cells each, 1600 × 1000, no GPU`,
    );
    console.log(`a step of the slider, scripts: ${summary(slide.script)}`);
    console.log(`a step of the slider, painted: ${summary(slide.painted)}   (budget: 50 ms)`);
    console.log(`another layer, scripts:        ${summary(layer.script)}   (one Chart.js heatmap)`);
    console.log(`another layer, painted:        ${summary(layer.painted)}`);
    for (const problem of problems) console.log(problem);
  } finally {
    await close();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
