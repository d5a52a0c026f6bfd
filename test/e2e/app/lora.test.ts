/**
 * LoRA adapters in the window: several are combined into one, one is extracted from a fine-tuned model; the bytes are
 * those of the command line.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { writeLlama, writeLoraAdapter } from '../../support/tiny-llama.ts';
import { mergewright, printed } from '../program.ts';
import { looksRight } from './looks.ts';
import { createSmallDemo } from './projects.ts';
import { answerOpenDialogs, answerSaveDialogs, catchRevealed, dragOver } from './system.ts';
import { currentView, eventually, keepPicture, opened, show } from './window.ts';

let folder: string;
let running: BuiltApp;
let page: Page;

beforeAll(async () => {
  folder = await temporaryFolder();
  for (const name of ['math', 'code']) await writeLoraAdapter(join(folder, name), name, 32);
  await writeLoraAdapter(join(folder, 'wide'), 'wide', 64);
  for (const name of ['tuned', 'base']) {
    await writeLlama(join(folder, name), { key: name, width: 32, layers: 2 });
  }
  const project = join(folder, 'Some project');
  const methods = [{ id: 'individual' }];
  await createSmallDemo(project, { tasks: ['mnist', 'fashion'], images: 20, batch: 4, methods });
  running = await launchBuilt({ userData: join(folder, 'data'), project });
  ({ page } = running);
  page.setDefaultTimeout(20_000);
  await page.emulateMedia({ reducedMotion: 'reduce', colorScheme: null });
  await opened(page, 'Some project');
  await show(page, 'Merge');
  await page.evaluate(axe.source);
});

afterAll(() => running.close());

function button(name: string | RegExp): Locator {
  return currentView(page).getByRole('button', { name, exact: true });
}

function field(label: string): Locator {
  return currentView(page).getByLabel(label, { exact: true });
}

async function pick(name: string): Promise<void> {
  await currentView(page).getByRole('radio', { name }).check({ force: true });
}

async function chooseHow(title: string): Promise<void> {
  await button('Choose how…').click();
  const dialog = page.getByRole('dialog', { name: /^Choose how to/ });
  await dialog.getByRole('button', { name: `Choose ${title}`, exact: true }).click();
  await currentView(page).getByRole('heading', { level: 2, name: title, exact: true }).waitFor();
}

async function placeAt(name: string): Promise<void> {
  await answerSaveDialogs(running.app, join(folder, name));
  await button('Choose place…').click();
  await currentView(page).getByText(join(folder, name), { exact: true }).waitFor();
}

async function start(name: 'Combine' | 'Extract'): Promise<void> {
  await eventually(() => button(name).isEnabled(), true);
  await button(name).click();
}

async function expectSame(one: string, other: string): Promise<void> {
  for (const file of ['adapter_model.safetensors', 'adapter_config.json']) {
    const [a, b] = [one, other].map((name) => readFile(join(folder, name, file)));
    expect((await a)!.equals((await b)!), file).toBe(true);
  }
}

describe('adapters', () => {
  it('are asked for where there are none', async () => {
    await pick('LoRA adapters');
    await currentView(page).getByText('No adapter yet').waitFor();
    expect(await button('Combine').getAttribute('title')).toBe('Add the adapters to combine.');
    await looksRight(running, 'lora-empty');
  });

  it('that do not fit each other are found before anything is read', async () => {
    await answerOpenDialogs(
      running.app,
      ['math', 'wide'].map((name) => join(folder, name)),
    );
    await button('Add adapters…').click();
    await currentView(page).getByText('its factors are of another shape').waitFor();
    expect(await button('Combine').isDisabled()).toBe(true);
    await looksRight(running, 'lora-mismatch');
    await button('Remove wide').click();
    const drag = await dragOver(page, [join(folder, 'code')]);
    await page.getByText('Drop adapters or models').waitFor();
    await drag.drop();
    await currentView(page).getByText('The adapters fit each other.').waitFor();
  });

  it('are combined to the bytes of the command line', async () => {
    await chooseHow('TIES, cut by SVD');
    await field('Weight of math').fill('0.7');
    await field('Weight of code').fill('-0.3');
    await field('Density').fill('0.5');
    await field('Sign by').selectOption('frequency');
    await field('Rank r').fill('3');
    await placeAt('both');
    await looksRight(running, 'lora-combine');
    await start('Combine');
    await currentView(page).getByRole('heading', { name: 'both is ready' }).waitFor();
    await looksRight(running, 'lora-combined');
    const [math, code] = ['math', 'code'].map((name) => join(folder, name));
    const kind = ['--kind', 'ties_svd', '--density', '0.5', '--majority', 'frequency'];
    printed(
      await mergewright(
        ...['lora', 'merge', math!, code!, '--weights', '0.7', '-0.3', ...kind],
        ...['--rank', '3', '--out', join(folder, 'both by command')],
      ),
    );
    await expectSame('both', 'both by command');
    const revealed = await catchRevealed(running.app);
    await button('Show in folder').click();
    await eventually(revealed, [join(folder, 'both')]);
    await button('Inspect').click();
    const dialog = page.getByRole('dialog', { name: 'both' });
    await dialog.getByRole('region', { name: 'What is unusual' }).waitFor();
    await page.keyboard.press('Escape');
    await button('Make another').click();
    await currentView(page).getByText('The result exists already', { exact: true }).waitFor();
    expect(await button('Combine').isDisabled()).toBe(true);
  });
});

describe('an adapter of a model', () => {
  it('is extracted to the bytes of the command line, with what it lacks', async () => {
    await pick('Extract from a model');
    await looksRight(running, 'lora-extract-empty');
    for (const [part, name] of [
      ['fine-tuned model', 'tuned'],
      ['base model', 'base'],
    ] as const) {
      await answerOpenDialogs(running.app, [join(folder, name)]);
      await button(`Choose the ${part}`).click();
      await button(`Inspect ${name}`).waitFor();
    }
    await field('Rank r').fill('4');
    await placeAt('extracted');
    await looksRight(running, 'lora-extract');
    await start('Extract');
    await currentView(page).getByRole('heading', { name: 'extracted is ready' }).waitFor();
    const table = currentView(page).getByRole('region', { name: 'What the adapter lacks' });
    await eventually(() => table.locator('tbody tr').count(), 15);
    await looksRight(running, 'lora-extracted');
    const [tuned, base] = ['tuned', 'base'].map((name) => join(folder, name));
    printed(
      await mergewright(
        ...['lora', 'extract', tuned!, '--base', base!, '--rank', '4'],
        ...['--out', join(folder, 'extracted by command')],
      ),
    );
    await expectSame('extracted', 'extracted by command');
    await button('Make another').click();
  });

  it('can be cancelled while it is made, and leaves nothing', async () => {
    for (const name of ['large tuned', 'large base']) {
      await writeLlama(join(folder, name), { key: name, width: 768, layers: 2 });
    }
    for (const [part, name] of [
      ['fine-tuned model', 'large tuned'],
      ['base model', 'large base'],
    ] as const) {
      await answerOpenDialogs(running.app, [join(folder, name)]);
      await button(`Choose the ${part}`).click();
      await button(`Inspect ${name}`).waitFor();
    }
    await placeAt('never');
    await start('Extract');
    await currentView(page).getByRole('progressbar', { name: 'Progress of never' }).waitFor();
    await keepPicture(page, 'lora-progress');
    await button('Cancel').click();
    await currentView(page).getByRole('heading', { name: 'never was cancelled' }).waitFor();
    await looksRight(running, 'lora-cancelled');
    await expect(readFile(join(folder, 'never', 'adapter_config.json'))).rejects.toThrow('ENOENT');
    await button('Dismiss').click();
    expect(running.problems).toEqual([]);
  });
});
