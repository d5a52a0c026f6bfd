/**
 * How models and projects come into the application: by a file manager's double click, dragged in with the mouse, chosen
 * in the system's dialogs; and what it says of those that cannot be merged. Real files all the way.
 */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { openProject } from '../../../main/runs/project.ts';
import { root } from '../program.ts';
import { createSmallDemo, narrowModel } from './projects.ts';
import { openInSecondInstance } from './second-instance.ts';
import { answerOpenDialogs, dragOver } from './system.ts';
import { chooseOfMenu, currentView, eventually, keepPicture, opened, show } from './window.ts';

const signs = join(root, 'assets/demo/experts/signs');
const parquet = join(root, 'test/golden/parquet/hub.parquet');
const small = {
  tasks: ['mnist', 'fashion'],
  images: 20,
  batch: 4,
  methods: [{ id: 'individual' }, { id: 'ties' }],
};

let folder: string;
let first: string;
let second: string;
let running: BuiltApp;
let page: Page;

beforeAll(async () => {
  folder = await temporaryFolder();
  [first, second] = [join(folder, 'First project'), join(folder, 'Second project')];
  for (const project of [first, second]) {
    await createSmallDemo(project, small);
    await openProject(project);
  }
  running = await launchBuilt({
    userData: join(folder, 'data'),
    project: pathToFileURL(join(first, 'project.json')).href,
  });
  ({ page } = running);
  page.setDefaultTimeout(60_000);
});

afterAll(() => running.close());

/** Titles of the tasks in sight, which begin the rows of the list. */
async function titles(): Promise<string[]> {
  return currentView(page).locator('.head .title').allTextContents();
}

/** Base and experts as project.json has them. */
async function materials(project: string): Promise<{ base: string; experts: string[] }> {
  const { materials: written } = JSON.parse(
    await readFile(join(project, 'project.json'), 'utf8'),
  ) as { materials: { base: string; tasks: { expert: string }[] } };
  return { base: written.base, experts: written.tasks.map(({ expert }) => expert) };
}

function messages(): Locator {
  return page.getByRole('region', { name: 'Messages' }).getByRole('alert');
}

async function dismissMessages(): Promise<void> {
  for (const message of await messages().all()) {
    await message.getByRole('button', { name: 'Dismiss' }).click();
  }
  await eventually(() => messages().count(), 0);
}

describe('a file manager', () => {
  it('starts the application with the address of a project.json', async () => {
    await opened(page, 'First project');
    expect(await titles()).toEqual(['MNIST', 'Fashion-MNIST']);
  });

  it('hands the address of another one to the application that runs', async () => {
    const address = pathToFileURL(join(second, 'project.json')).href;
    expect(await openInSecondInstance(running, address)).toBe(0);
    await opened(page, 'Second project');
    expect(running.app.windows()).toHaveLength(1);
  });
});

describe('dragged in with the mouse', () => {
  it('a project folder is opened', async () => {
    await (await dragOver(page, [first])).drop();
    await opened(page, 'First project');
  });

  it('a checkpoint becomes an expert, with the head and images that lie beside it', async () => {
    await show(page, 'Merge');
    const drag = await dragOver(page, [signs]);
    await page.getByText('Drop checkpoints to add them as experts').waitFor();
    await drag.drop();
    await eventually(titles, ['MNIST', 'Fashion-MNIST', 'Signs-43']);
    expect(await page.getByText('Drop checkpoints to add them as experts').count()).toBe(0);
    await eventually(() => currentView(page).getByText('Ready', { exact: true }).count(), 3);
    expect((await materials(first)).experts.at(-1)).toContain('assets/demo/experts/signs');
  });

  it('what is no checkpoint gives one message and changes nothing', async () => {
    const note = join(folder, 'shopping list.txt');
    await writeFile(note, 'bread, butter, and more words than a header has bytes');
    const before = await materials(first);
    await (await dragOver(page, [note, signs])).drop();
    await messages().first().waitFor();
    expect(await messages().count()).toBe(1);
    expect(await messages().textContent()).toContain('"shopping list.txt" is no checkpoint');
    expect(await messages().textContent()).toContain('.safetensors');
    expect(await materials(first)).toEqual(before);
    expect(await titles()).toHaveLength(3);
    await dismissMessages();
  });
});

describe('dropped on the row of a task', () => {
  function row(title: string): Locator {
    return currentView(page).getByRole('listitem').filter({ hasText: title }).first();
  }
  async function task(id: string): Promise<{ data: string; unlabelled?: string }> {
    const text = await readFile(join(first, 'project.json'), 'utf8');
    const { materials: written } = JSON.parse(text) as {
      materials: { tasks: { id: string; data: string; unlabelled?: string }[] };
    };
    return written.tasks.find((one) => one.id === id)!;
  }

  it('a folder of images becomes its image set, which can be taken back', async () => {
    const drag = await dragOver(page, [join(first, 'tasks/fashion')], row('MNIST'));
    await page.getByText('Drop images to use them for MNIST').waitFor();
    await keepPicture(page, 'drop-images');
    await drag.drop();
    const note = page.getByRole('region', { name: 'Messages' });
    await note.getByText('MNIST has the images of fashion').waitFor();
    expect((await task('mnist')).data).toBe('tasks/fashion/test.json');
    await note.getByRole('button', { name: 'Undo' }).click();
    await eventually(async () => (await task('mnist')).data, 'tasks/mnist/test.json');
  });

  it('a Parquet file too, with what is wrong with it as if it had been chosen', async () => {
    await (await dragOver(page, [parquet], row('MNIST'))).drop();
    await currentView(page).getByText('Head unusable', { exact: true }).waitFor();
    expect((await task('mnist')).data).toContain('hub.parquet');
    await currentView(page).getByRole('button', { name: 'Undo: Choose the images' }).click();
    await eventually(async () => (await task('mnist')).data, 'tasks/mnist/test.json');
  });

  it('a checkpoint becomes an expert all the same', async () => {
    const before = (await materials(first)).experts.length;
    await (await dragOver(page, [signs], row('MNIST'))).drop();
    await eventually(async () => (await materials(first)).experts.length, before + 1);
    await currentView(page).getByRole('button', { name: 'Undo: Add checkpoints' }).click();
    await eventually(async () => (await materials(first)).experts.length, before);
  });

  it('images to adapt to are others than those that are measured, where they are chosen', async () => {
    await row('MNIST').getByRole('button', { expanded: false }).click();
    await answerOpenDialogs(running.app, [parquet]);
    await row('MNIST').getByRole('button', { name: 'Adapts to: file …' }).click();
    await row('MNIST').getByText('7 images · Parquet').waitFor();
    expect((await task('mnist')).unlabelled).toContain('hub.parquet');
    await row('MNIST').getByRole('button', { name: 'Same images' }).click();
    await row('MNIST').getByText('The same images without their labels').waitFor();
    expect((await task('mnist')).unlabelled).toBeUndefined();
    await row('MNIST').getByRole('button', { expanded: true }).click();
  });
});

describe('chosen in a dialog', () => {
  it('checkpoints become experts, several at once; the choice can be undone', async () => {
    const experts = ['kana', 'emoji'].map((task) => join(root, 'assets/demo/experts', task));
    const asked = await answerOpenDialogs(running.app, experts);
    await currentView(page).getByRole('button', { name: 'Add checkpoints', exact: true }).click();
    await eventually(async () => (await titles()).length, 5);
    expect(await asked()).toMatchObject([{ properties: ['openDirectory', 'multiSelections'] }]);
    expect(
      (await materials(first)).experts.slice(-2).map((path) => path.split('/').at(-1)),
    ).toEqual(['kana', 'emoji']);
    await currentView(page).getByRole('button', { name: 'Undo: Add checkpoints' }).click();
    await eventually(async () => (await titles()).length, 3);
  });

  it('a folder becomes the base model', async () => {
    const base = join(folder, 'Another base');
    await cp(join(first, 'base'), base, { recursive: true });
    await answerOpenDialogs(running.app, [base]);
    await currentView(page).getByRole('button', { name: 'Change …', exact: true }).click();
    await currentView(page).getByText('Another base', { exact: true }).waitFor();
    expect((await materials(first)).base).toBe('../Another base');
  });

  it('a folder that holds no model is refused as base, with the reason', async () => {
    await answerOpenDialogs(running.app, [join(first, 'tasks')]);
    await currentView(page).getByRole('button', { name: 'Change …', exact: true }).click();
    await messages().first().waitFor();
    expect(await messages().textContent()).toContain('no model.safetensors');
    expect((await materials(first)).base).toBe('../Another base');
    await dismissMessages();
  });

  it('a cancelled dialog changes nothing and says nothing', async () => {
    const before = await materials(first);
    const asked = await answerOpenDialogs(running.app, null);
    await currentView(page).getByRole('button', { name: 'Add checkpoints', exact: true }).click();
    await currentView(page).getByRole('button', { name: 'Change …', exact: true }).click();
    await chooseOfMenu(running.app, 'File', 'Add checkpoints…');
    await chooseOfMenu(running.app, 'File', 'Open project…');
    await page.getByRole('button', { name: /^Mergewright First project/ }).click();
    await page.getByRole('menuitem', { name: /^Open project/ }).click();
    await eventually(async () => (await asked()).length, 5);
    await page.waitForTimeout(500);
    expect(await materials(first)).toEqual(before);
    expect(await messages().count()).toBe(0);
    await opened(page, 'First project');
  });

  it('a project opens, from the menu of the window and from that of the application', async () => {
    const asked = await answerOpenDialogs(running.app, [second]);
    await page.getByRole('button', { name: /^Mergewright First project/ }).click();
    await page.getByRole('menuitem', { name: /^Open project/ }).click();
    await opened(page, 'Second project');
    expect(await asked()).toMatchObject([{ properties: ['openDirectory'] }]);
    await answerOpenDialogs(running.app, [first]);
    await chooseOfMenu(running.app, 'File', 'Open project…');
    await opened(page, 'First project');
  });
});

describe('an expert that does not fit the base', () => {
  /** Its tensors, but for one: that of an MLP with half the neurons. */
  const tensor = 'vision_model.encoder.layers.3.mlp.fc1.weight';
  const reason = `tensor "${tensor}" has shape [256, 128], the base has [512, 128]`;
  let project: string;
  let reasons: Locator;

  beforeAll(async () => {
    project = join(folder, 'Project with a misfit');
    await createSmallDemo(project, small);
    const expert = join(project, 'experts/fashion');
    await narrowModel(expert, tensor, [256, 128]);
    await mkdir(join(project, 'runs'), { recursive: true });
    await (await dragOver(page, [project])).drop();
    await opened(page, 'Project with a misfit');
  });

  it('says so in the Project view, with the tensor and both shapes', async () => {
    await currentView(page).getByText('Does not fit', { exact: true }).waitFor();
    expect(await currentView(page).getByText('Ready', { exact: true }).count()).toBe(1);
    await currentView(page)
      .getByRole('button', { expanded: false, name: /Fashion-MNIST/ })
      .click();
    reasons = currentView(page).getByText(reason);
    await reasons.waitFor();
    await currentView(page)
      .getByText(join(project, 'experts/fashion'), { exact: false })
      .first()
      .waitFor();
  });

  it('keeps Merge from starting, for the same reason', async () => {
    await show(page, 'Merge');
    await currentView(page).getByText(reason).waitFor();
    const run = currentView(page).getByRole('button', { name: 'Run', exact: true });
    expect(await run.isDisabled()).toBe(true);
    // The menu asks all the same.
    await chooseOfMenu(running.app, 'Run', 'Start');
    await messages().first().waitFor();
    expect(await messages().textContent()).toContain(reason);
    expect(await messages().count()).toBe(1);
    await dismissMessages();
    await show(page, 'Runs');
    expect(
      await currentView(page)
        .getByRole('button', { name: /set up/i })
        .count(),
    ).toBe(1);
  });

  it('is left out with one click, and the others can be merged', async () => {
    await show(page, 'Merge');
    await currentView(page).getByRole('button', { name: 'Leave out fashion' }).click();
    const run = currentView(page).getByRole('button', { name: 'Run', exact: true });
    await eventually(() => run.isEnabled(), true);
    expect(await currentView(page).getByText(reason).count()).toBe(0);
  });
});

describe('class names of a task', () => {
  it('may be those of a known task; what is missing for them is said, and they can be taken back', async () => {
    await show(page, 'Project');
    await currentView(page)
      .getByRole('button', { expanded: false, name: /^MNIST/ })
      .click();
    await currentView(page).getByRole('button', { name: 'Class names …' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'Class names of MNIST' });
    const names = dialog.getByRole('textbox', { name: /^Class names/ });
    expect((await names.inputValue()).split('\n')).toHaveLength(10);
    await dialog.getByRole('combobox', { name: 'Start from' }).selectOption('dtd');
    await dialog.getByText('47 names for images of 10 classes.').waitFor();
    const use = dialog.getByRole('button', { name: 'Use these names' });
    expect(await use.isDisabled()).toBe(true);
    await dialog.getByRole('combobox', { name: 'Start from' }).selectOption('mnist');
    const templates = dialog.getByRole('textbox', { name: /^Templates/ });
    expect(await templates.inputValue()).toBe('a photo of the number: "{}".');
    await use.click();
    await eventually(() => dialog.count(), 0);
    // The base of the demo has no text encoder.
    await currentView(page).getByText('Head unusable', { exact: true }).waitFor();
    const project = join(folder, 'Project with a misfit');
    expect(await readFile(join(project, 'project.json'), 'utf8')).toContain('"prompts": "mnist"');
    await currentView(page).getByRole('button', { name: 'Undo: Class names of MNIST' }).click();
    await eventually(
      () => currentView(page).getByText('Head unusable', { exact: true }).count(),
      0,
    );
  });
});

it('nothing was reported on the console', () => {
  expect(running.problems).toEqual([]);
});
