/**
 * Downloads in the window, from a stand-in of the Hub that serves the demo's real checkpoints: nothing is asked of the
 * network before a button is pressed; sizes, a download that is cancelled, broken off and gone on with, errors, offline.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openProject } from '../../../main/runs/project.ts';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';
import {
  filesIn,
  goodToken,
  sha256Of,
  startHubServer,
  type HubServer,
} from '../../support/hub-server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { writeLlama } from '../../support/tiny-llama.ts';
import { root } from '../program.ts';
import { answerOpenDialogs } from './system.ts';
import {
  chooseOfMenu,
  currentView,
  eventually,
  keepPicture,
  opened,
  setTheme,
  show,
  themes,
} from './window.ts';

const demo = join(root, 'assets/demo');
/** The demo's models under names that the first preset has, so that all of it can be tried. */
const tasks = ['sun397', 'stanford-cars', 'resisc45', 'eurosat', 'svhn', 'gtsrb', 'mnist', 'dtd'];
const demoTasks = ['mnist', 'fashion', 'signs'];
const base = 'openai/clip-vit-base-patch32';
const expertOf = (task: string): string => `tanganke/clip-vit-base-patch32_${task}`;

let folder: string;
let project: string;
let cache: string;
let server: HubServer;
let running: BuiltApp;
let page: Page;
let slowest: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  project = join(folder, 'CLIP project');
  cache = join(folder, 'hub');
  server = await startHubServer();
  server.add(base, await filesIn(join(demo, 'base')));
  for (const [index, task] of tasks.entries()) {
    const files = await filesIn(join(demo, 'experts', demoTasks[index % demoTasks.length]!));
    server.add(expertOf(task), files);
  }
  slowest = sha256Of((await filesIn(join(demo, 'experts/fashion'))).get('model.safetensors')!);
  server.add('tiny/gated', await filesIn(join(demo, 'experts/letters')));
  server.restrict('tiny/gated', 'gated');
  await openProject(project);
  running = await launchBuilt({
    userData: join(folder, 'data'),
    project,
    env: {
      HF_ENDPOINT: server.endpoint,
      HF_HUB_CACHE: cache,
      HF_HOME: join(folder, 'home'),
      HF_HUB_OFFLINE: '',
      HF_TOKEN: '',
    },
  });
  ({ page } = running);
  page.setDefaultTimeout(10_000);
  await page.emulateMedia({ reducedMotion: 'reduce', colorScheme: null });
  await opened(page, 'CLIP project');
  await page.evaluate(axe.source);
});

afterAll(async () => {
  await running.close();
  await server.close();
});

function dialog(): Locator {
  return page.getByRole('dialog');
}

function button(name: string | RegExp): Locator {
  return dialog().getByRole('button', { name });
}

async function violations(): Promise<string[]> {
  return page.evaluate(async () => {
    const { violations: found } = await (
      window as unknown as {
        axe: { run(options: object): Promise<{ violations: { id: string }[] }> };
      }
    ).axe.run({ runOnly: ['wcag2a', 'wcag2aa'] });
    return found.map(({ id }) => id);
  });
}

async function picture(name: string): Promise<void> {
  for (const theme of themes) {
    await setTheme(running, theme);
    await keepPicture(page, `hub-${name}-${theme}`);
  }
}

async function openDialog(): Promise<void> {
  await show(page, 'Project');
  await currentView(page).getByRole('button', { name: 'Add from Hugging Face' }).first().click();
  await dialog().waitFor();
}

async function names(text: string): Promise<void> {
  await dialog().getByRole('textbox', { name: 'Or models by their names' }).fill(text);
}

describe('nothing is asked of the network', () => {
  it('by the application, in any view', async () => {
    for (const view of ['Merge', 'Routing', 'Compare', 'Runs', 'Export', 'Project'] as const) {
      await show(page, view);
    }
    expect(server.requests).toEqual([]);
  });

  it('by the dialog, before a button is pressed', async () => {
    await openDialog();
    await dialog().getByText('CLIP ViT-B/32, 8 tasks').click();
    await dialog().getByText('about 3.4 GB').waitFor();
    await dialog().getByText('Nothing is asked of the network before you press a button').waitFor();
    await picture('choosing');
    expect(await violations()).toEqual([]);
    expect(server.requests).toEqual([]);
  });
});

describe('a collection', () => {
  it('is sized', async () => {
    await button('Ask for sizes').click();
    await button(/^Download [\d.]+ MB$/).waitFor();
    expect(await dialog().getByRole('row').count()).toBe(10);
    expect(server.requests).toHaveLength(9);
    expect(await violations()).toEqual([]);
    await picture('sized');
    await button('Back').click();
    await button('Ask for sizes').click();
    await button(/^Download/).waitFor();
    server.requests.length = 0;
  });

  it('is downloaded, cancelled, and goes on where it stopped', async () => {
    server.fail(slowest, { kind: 'silence', after: 300_000 });
    await button(/^Download/).click();
    await dialog().getByRole('progressbar').waitFor();
    await dialog()
      .getByRole('list', { name: 'Files in transfer' })
      .getByText('model.safetensors')
      .first()
      .waitFor();
    await eventually(
      () =>
        dialog()
          .getByText(/^[1-9][\d.]*\s[kM]B of/)
          .count(),
      1,
    );
    await picture('downloading');
    await button('Cancel').click();
    await dialog().getByText('The download was cancelled.').waitFor();
    await picture('cancelled');
    const before = server.requests.length;
    await button('Go on').click();
    await dialog().waitFor({ state: 'hidden' });
    const ranges = server.requests.slice(before).map(({ range }) => range ?? '');
    expect(ranges.some((range) => /^bytes=[1-9]/.test(range))).toBe(true);
  });

  it('is the project’s then, by names and commits', async () => {
    await eventually(() => currentView(page).locator('.head .title').count(), 8);
    await currentView(page).getByText(base).first().waitFor();
    const written = await readFile(join(project, 'project.json'), 'utf8');
    const { materials } = JSON.parse(written) as {
      materials: { base: string; tasks: { id: string; expert: string; head: object }[] };
    };
    expect(materials.base).toMatch(new RegExp(`^hub:${base}@[0-9a-f]{40}$`));
    expect(materials.tasks.map(({ id }) => id)).toEqual(tasks);
    expect(materials.tasks[0]).toMatchObject({ head: { prompts: 'sun397' } });
    await picture('project');
    await chooseOfMenu(running.app, 'Edit', 'Undo');
    await eventually(() => currentView(page).locator('.head .title').count(), 0);
    await chooseOfMenu(running.app, 'Edit', 'Redo');
    await eventually(() => currentView(page).locator('.head .title').count(), 8);
  });

  it('is not downloaded twice', async () => {
    await openDialog();
    await dialog().getByText('On this machine').waitFor();
    await button('Close').first().click();
  });
});

describe('what goes wrong is said', () => {
  it('a name that does not exist', async () => {
    await openDialog();
    await names('tiny/nobody');
    await button('Ask for sizes').click();
    await dialog().getByText('hub.not_found').waitFor();
    await picture('not-found');
  });

  it('a gated model, which a typed token opens', async () => {
    await names('tiny/gated');
    await button('Ask for sizes').click();
    await button(/^Download/).click();
    await dialog().getByText('hub.unauthorized').waitFor();
    await button('Connection').click();
    await dialog().getByLabel('Token', { exact: true }).selectOption('typed');
    await dialog().getByLabel('Your token').fill(goodToken);
    await picture('token');
    expect(await violations()).toEqual([]);
    await button('Use').last().click();
    await dialog().getByText('Another token').waitFor();
    await button('Go on').click();
    await dialog().waitFor({ state: 'hidden' });
    await eventually(() => currentView(page).locator('.head .title').count(), 9);
    const stores = server.requests.filter(({ host }) => host === 'store');
    expect(stores.every(({ authorization }) => authorization === undefined)).toBe(true);
    expect(await page.content()).not.toContain(goodToken);
  });

  it('offline: nothing is asked any more', async () => {
    await openDialog();
    await dialog().getByLabel('Work offline').check();
    await dialog().getByText('Offline: only what is on this machine').waitFor();
    const before = server.requests.length;
    await names('tiny/other');
    await button('Ask for sizes').click();
    await dialog().getByText('hub.offline').waitFor();
    await picture('offline');
    expect(server.requests).toHaveLength(before);
    await dialog().getByLabel('Work offline').uncheck();
    await button('Close').first().click();
  });
});

it('a project whose models are not here says so, and fetches the same commits', async () => {
  await rm(join(cache, 'models--tanganke--clip-vit-base-patch32_dtd'), { recursive: true });
  await show(page, 'Merge');
  await page.reload();
  await opened(page, 'CLIP project');
  await currentView(page)
    .getByText('1 model of the Hugging Face Hub is not on this machine')
    .waitFor();
  await picture('missing');
  await currentView(page).getByRole('button', { name: 'See what to download' }).click();
  await dialog()
    .getByText(/clip-vit-base-patch32_dtd@[0-9a-f]{40}/)
    .waitFor();
  await button('Ask for sizes').click();
  await button(/^Download/).click();
  await dialog().waitFor({ state: 'hidden' });
  await eventually(() => currentView(page).getByText('not on this machine').count(), 0);
});

it('a mergekit file opens when the models that it names are downloaded', async () => {
  for (const name of ['math', 'code']) {
    await writeLlama(join(folder, name), { key: name, width: 32, layers: 1 });
    server.add(`tiny/${name}`, await filesIn(join(folder, name)));
  }
  const file = join(folder, 'linear.yml');
  await writeFile(
    file,
    'merge_method: linear\nmodels:\n  - model: tiny/math\n    parameters: {weight: 0.7}\n  - model: tiny/code\n    parameters: {weight: 0.3}\n',
  );
  await show(page, 'Merge');
  await currentView(page).getByRole('radio', { name: 'Weights only' }).check({ force: true });
  const before = server.requests.length;
  await answerOpenDialogs(running.app, [file]);
  await currentView(page)
    .getByRole('button', { name: 'Open a mergekit YAML or recipe…', exact: true })
    .click();
  await currentView(page)
    .getByText('linear.yml names 2 models of the Hugging Face Hub that are not on this machine')
    .waitFor();
  expect(server.requests).toHaveLength(before);
  await picture('lacking');
  await currentView(page).getByRole('button', { name: 'See what to download' }).click();
  await dialog().getByText('linear.yml names these models').waitFor();
  await button('Ask for sizes').click();
  await button(/^Download/).click();
  await dialog().waitFor({ state: 'hidden' });
  for (const name of ['math', 'code']) {
    await currentView(page)
      .getByRole('button', { name: `Remove tiny/${name}`, exact: true })
      .waitFor();
  }
  expect(await currentView(page).getByText('not on this machine').count()).toBe(0);
});

it('the page met nothing that it should not', () => {
  expect(running.problems).toEqual([]);
});
