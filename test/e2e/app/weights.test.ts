/**
 * Merging weights alone, in the window: small LLaMA-shaped models are chosen in the system's dialogs, put right by the
 * buttons of findings, merged, cancelled and gone on with; the bytes are those of the command line.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { writeLlama } from '../../support/tiny-llama.ts';
import { mergewright, printed } from '../program.ts';
import { looksRight, seriousViolations } from './looks.ts';
import { createSmallDemo } from './projects.ts';
import { answerOpenDialogs, answerSaveDialogs, catchRevealed, dragOver } from './system.ts';
import { chooseOfMenu, currentView, eventually, opened, show } from './window.ts';

const weightFile = 'model.safetensors';

let folder: string;
let running: BuiltApp;
let page: Page;

beforeAll(async () => {
  folder = await temporaryFolder();
  for (const name of ['base', 'math', 'code']) {
    await writeLlama(join(folder, name), { key: name, width: 32, layers: 2 });
  }
  await writeLlama(join(folder, 'chat'), { key: 'chat', width: 32, layers: 2, vocabulary: 20 });
  const project = join(folder, 'Some project');
  await createSmallDemo(project, {
    tasks: ['mnist', 'fashion'],
    images: 20,
    batch: 4,
    methods: [{ id: 'individual' }],
  });
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

function findings(): Locator {
  return currentView(page).locator('.findings li, .scan li');
}

function mergeButton(): Locator {
  return button('Merge');
}

/** A value in the table: of a model, or of all. */
function box(parameter: string, whose: string): Locator {
  const name = new RegExp(`^${parameter}.* of ${whose}$`);
  return currentView(page).getByRole('textbox', { name });
}

async function addFolders(...names: string[]): Promise<void> {
  await answerOpenDialogs(
    running.app,
    names.map((name) => join(folder, name)),
  );
  await button('Add folders…').click();
  for (const name of names) await button(`Remove ${name}`).waitFor();
}

async function placeAt(name: string): Promise<void> {
  await answerSaveDialogs(running.app, join(folder, name));
  await button('Choose place…').click();
  await currentView(page).getByText(join(folder, name), { exact: true }).waitFor();
}

async function chooseMethod(title: string): Promise<void> {
  await button('Choose method…').click();
  const dialog = page.getByRole('dialog', { name: 'Choose a method' });
  await dialog.getByRole('searchbox', { name: 'Search' }).fill(title);
  await dialog.getByRole('button', { name: `Choose ${title}`, exact: true }).click();
  await currentView(page).getByRole('heading', { level: 2, name: title, exact: true }).waitFor();
}

async function merge(): Promise<void> {
  await eventually(() => mergeButton().isEnabled(), true);
  await mergeButton().click();
}

describe('models', () => {
  it('are asked for where there are none', async () => {
    await currentView(page).getByRole('radio', { name: 'Weights only' }).check({ force: true });
    await currentView(page).getByText('No model yet').waitFor();
    expect(await mergeButton().isDisabled()).toBe(true);
    expect(await mergeButton().getAttribute('title')).toBe('Add the models to merge.');
    await looksRight(running, 'weights-empty');
  });

  it('are chosen in the dialog, and described from their headers', async () => {
    await addFolders('math', 'base', 'chat');
    const row = currentView(page).getByRole('listitem').filter({ hasText: 'LlamaForCausalLM' });
    await eventually(() => row.count(), 3);
    expect(await row.first().innerText()).toContain('2 layers of width 32');
    await button('Move base up').click();
    await eventually(async () => (await row.first().innerText()).includes('base'), true);
  });

  it('can be looked into', async () => {
    await button('Inspect math').click();
    const dialog = page.getByRole('dialog', { name: 'math' });
    await dialog.getByRole('textbox', { name: 'Find a tensor' }).fill('gate_proj');
    await dialog.getByText('model.layers.1.mlp.gate_proj.weight').waitFor();
    await eventually(() => dialog.locator('tbody tr').filter({ hasText: 'gate_proj' }).count(), 2);
    expect(await seriousViolations(page)).toEqual([]);
    await page.keyboard.press('Escape');
  });
});

describe('a finding', () => {
  it('says what the method lacks, and its button mends it', async () => {
    await chooseMethod('TIES-Merging');
    await findings().filter({ hasText: 'No base model' }).waitFor();
    await eventually(() => mergeButton().isDisabled(), true);
    await findings().getByRole('button', { name: 'Use base as the base' }).click();
    await eventually(() => findings().filter({ hasText: 'No base model' }).count(), 0);
    await button('base is the base').waitFor();
  });

  it('of vocabularies offers both ways, and the one pressed can be undone', async () => {
    const found = findings().filter({ hasText: 'Vocabularies of different size' });
    await found.waitFor();
    await looksRight(running, 'weights-findings');
    await button('Keep the rows all models have').click();
    await eventually(() => button('Keep all rows').count(), 0);
    await chooseOfMenu(running.app, 'Edit', 'Undo');
    await found.waitFor();
    await button('Remove chat').click();
    await addFolders('code');
    await eventually(() => found.count(), 0);
  });
});

describe('the values', () => {
  it('are read for who asks, and what is found stands with the findings', async () => {
    await button('Look for NaN').click();
    await currentView(page).getByText('No NaN and no infinite value (63 tensors read)').waitFor();
    await button('Compare with the base').click();
    // Numbers drawn anew are as far from the base as can be.
    await eventually(() => findings().filter({ hasText: 'Far from the base' }).count(), 2);
    await looksRight(running, 'weights-scanned');
  });
});

describe('a merge', () => {
  it('has values for each model and gives the bytes of the command line', async () => {
    await box('Weight', 'math').fill('0.5');
    await box('Weight', 'code').fill('0.3');
    await box('Density', 'all models').fill('0.4');
    await placeAt('merged');
    await looksRight(running, 'weights-ready');
    await merge();
    await currentView(page).getByRole('heading', { name: 'merged is merged' }).waitFor();
    await looksRight(running, 'weights-result');
    const [base, math, code] = ['base', 'math', 'code'].map((name) => join(folder, name));
    const set = ['--set', 'weight=0.5,0.3', '--set', 'density=0.4'];
    const out = join(folder, 'by command');
    printed(
      await mergewright(
        ...['merge', '--method', 'ties', '--base', base!, ...set, math!, code!, '--out', out],
      ),
    );
    expect(await readFile(join(folder, 'merged', weightFile))).toEqual(
      await readFile(join(out, weightFile)),
    );
    const merged = await openCheckpoint(join(folder, 'merged'));
    expect(merged.tensors.size).toBe(21);
    await merged.close();
  });

  it('shows its files, its parents and where it is', async () => {
    const files = currentView(page).getByRole('region', { name: 'Files of the result' });
    expect(await files.innerText()).toContain(weightFile);
    const parents = currentView(page).getByRole('region', { name: 'What the result was made of' });
    await eventually(() => parents.locator('tbody tr').count(), 3);
    const revealed = await catchRevealed(running.app);
    await button('Show in folder').click();
    await eventually(revealed, [join(folder, 'merged')]);
    await button('Inspect').click();
    await page.getByRole('dialog', { name: 'merged' }).getByText('lm_head.weight').waitFor();
    await page.keyboard.press('Escape');
    await button('Merge another').click();
  });

  it('does not replace what is there before that is allowed', async () => {
    await findings().filter({ hasText: 'The result exists already' }).waitFor();
    expect(await mergeButton().isDisabled()).toBe(true);
    await button('Replace what is there').click();
    await merge();
    await currentView(page).getByRole('heading', { name: 'merged is merged' }).waitFor();
    await button('Merge another').click();
  });
});

describe('a file of mergekit', () => {
  it('fills the form where that can show it, and is run', async () => {
    const file = join(folder, 'linear.yml');
    await writeFile(
      file,
      'merge_method: linear\nmodels:\n  - model: ./math\n    parameters: {weight: 0.7}\n  - model: ./code\n    parameters: {weight: 0.3}\ndtype: bfloat16\n',
    );
    await answerOpenDialogs(running.app, [file]);
    await button('Open a mergekit YAML or recipe…').click();
    await button('Remove base').waitFor({ state: 'detached' });
    await eventually(() => box('Weight', 'math').inputValue(), '0.7');
    await placeAt('from yaml');
    await merge();
    await currentView(page).getByRole('heading', { name: 'from yaml is merged' }).waitFor();
    await button('Merge another').click();
    const out = join(folder, 'yaml by command');
    printed(await mergewright('merge', file, '--out', out));
    expect(await readFile(join(folder, 'from yaml', weightFile))).toEqual(
      await readFile(join(out, weightFile)),
    );
  });

  it('that says more is summed up, and run unchanged', async () => {
    const file = join(folder, 'slices.yml');
    await writeFile(
      file,
      'merge_method: linear\nslices:\n  - sources:\n      - {model: ./math, layer_range: [0, 2], parameters: {weight: [0.2, 0.8]}}\n      - {model: ./code, layer_range: [0, 2], parameters: {weight: 0.5}}\n',
    );
    await answerOpenDialogs(running.app, [file]);
    await button('Open a mergekit YAML or recipe…').click();
    await currentView(page).getByText('0.2 → 0.8 over depth').waitFor();
    await placeAt('from slices');
    await looksRight(running, 'weights-file');
    await merge();
    await currentView(page).getByRole('heading', { name: 'from slices is merged' }).waitFor();
    await button('Merge another').click();
    const out = join(folder, 'slices by command');
    printed(await mergewright('merge', file, '--out', out));
    expect(await readFile(join(folder, 'from slices', weightFile))).toEqual(
      await readFile(join(out, weightFile)),
    );
    await button('Close the file').click();
  });
});

describe('a long merge', () => {
  it('of models that were dropped is cancelled, gone on with, and told of', async () => {
    for (const name of ['large a', 'large b', 'large c']) {
      await writeLlama(join(folder, name), { key: name, width: 768, layers: 4 });
    }
    for (let left = await button(/^Remove /).count(); left > 0; left--) {
      await button(/^Remove /)
        .first()
        .click();
    }
    const names = ['large a', 'large b', 'large c'];
    const drag = await dragOver(
      page,
      names.map((name) => join(folder, name)),
    );
    await page.getByText('Drop models to merge them').waitFor();
    await drag.drop();
    for (const name of names) await button(`Remove ${name}`).waitFor();
    await chooseMethod('DARE with sign election');
    await button('Use large a as the base').first().click();
    await placeAt('long');
    await merge();
    const bar = currentView(page).getByRole('progressbar', { name: 'Progress of long' });
    await eventually(async () => Number(await bar.getAttribute('aria-valuenow')) > 0, true);
    const begun = performance.now();
    await button('Cancel').click();
    await currentView(page).getByRole('heading', { name: 'long is not finished' }).waitFor();
    expect(performance.now() - begun).toBeLessThan(2000);
    await looksRight(running, 'weights-stopped');
    await button('Go on').click();
    await currentView(page).getByText('going on with an interrupted merge').waitFor();
    expect(running.problems).toEqual([]);
  });
});
