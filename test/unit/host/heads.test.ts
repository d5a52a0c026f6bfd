/** Zero-shot heads of a project: their class names are shown, edited and taken back. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openModel } from '../../../main/checkpoints/open-model.ts';
import { loadVisionModel } from '../../../main/models/vision-model.ts';
import { bundledPrompts } from '../../../main/text/prompts.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { clipFolder } from '../../support/tiny-clip.ts';
import { writeModel, writeSpriteSheet } from '../../support/tiny-project.ts';
import { expectFailed, startHost } from './support.ts';

const own = { classes: ['cat', 'dog', 'café'], templates: ['a photo of a {}.', 'the {}'] };

/** A project of one task "pets" with images of three classes, whose base is a whole CLIP model. */
async function clipProject() {
  const [host, folder] = [startHost(), await temporaryFolder()];
  const checkpoint = await openModel(clipFolder);
  const { config, weights } = await loadVisionModel(checkpoint);
  await checkpoint.close();
  await writeModel(join(folder, 'models/vision'), weights, config);
  const sheet = { task: 'pets', classes: 3, count: 5, tile: config.imageSize };
  await mkdir(join(folder, 'data'));
  const data = await writeSpriteSheet(join(folder, 'data'), sheet);
  const { client, handle } = host;
  const place = await temporaryFolder();
  await client.project.open({ handle: handle(place) });
  await client.project.setBase({ handle: handle(clipFolder) });
  await client.project.addExperts({ handles: [handle(join(folder, 'models/vision'))] });
  await client.project.setTask({ task: 'vision', data: handle(data) });
  return { client, handle, folder, place };
}

it('class names become the head of a task, and can be taken back', async () => {
  const { client, place } = await clipProject();
  const made = await client.project.setZeroShotHead({ task: 'vision', prompts: own });
  expect(made.tasks[0]).toMatchObject({
    headProblem: null,
    head: { classes: 3, location: 'own class names', zeroShot: { ...own, model: null } },
  });
  expect(made.canUndo).toBe('class names of task vision');
  const file = JSON.parse(await readFile(join(place, 'project.json'), 'utf8')) as object;
  expect(file).toMatchObject({ materials: { tasks: [{ head: { prompts: own } }] } });
  expect((await client.project.undo()).tasks[0]!.head).toBeNull();
});

it('names that come with the program are written as the name of their task', async () => {
  const { client, place } = await clipProject();
  const offered = await client.project.bundledPrompts();
  expect(offered.map(({ id }) => id)).toEqual(Object.keys(bundledPrompts));
  const { classes, templates } = offered.find(({ id }) => id === 'eurosat')!;
  const digits = offered.find(({ id }) => id === 'mnist')!;
  const numbers = await client.project.setZeroShotHead({
    task: 'vision',
    prompts: { classes: digits.classes, templates: digits.templates },
    source: 'mnist',
  });
  expect(numbers.tasks[0]!.head!.location).toBe('class names of mnist');
  const made = await client.project.setZeroShotHead({
    task: 'vision',
    prompts: { classes, templates },
    source: 'mnist',
  });
  expect(made.tasks[0]!.head).toMatchObject({ classes: 10, location: 'class names of eurosat' });
  expect(made.tasks[0]!.headProblem?.what).toContain('the head has 10 classes, the images have 3');
  expect(await readFile(join(place, 'project.json'), 'utf8')).toContain('"prompts": "eurosat"');
});

it('a model without text encoder is a problem of the card, and the names stay', async () => {
  const { client, handle, folder } = await clipProject();
  const made = await client.project.setZeroShotHead({
    task: 'vision',
    prompts: own,
    model: handle(join(folder, 'models/vision')),
  });
  expect(made.tasks[0]).toMatchObject({
    headProblem: { code: 'model.config_invalid' },
    head: { zeroShot: { ...own, model: 'vision' } },
  });
  const later = await client.project.setZeroShotHead({
    task: 'vision',
    prompts: own,
    model: handle(join(clipFolder, '../later-style')),
  });
  expect(later.tasks[0]!.headProblem?.what).toContain('the text encoder gives 7 features');

  const fewer = { ...own, templates: ['the {}'] };
  const kept = await client.project.setZeroShotHead({ task: 'vision', prompts: fewer });
  expect(kept.tasks[0]!.head).toMatchObject({ zeroShot: { ...fewer, model: 'later-style' } });
  const back = await client.project.setZeroShotHead({
    task: 'vision',
    prompts: fewer,
    model: 'base',
  });
  expect(back.tasks[0]).toMatchObject({ headProblem: null, head: { zeroShot: { model: null } } });
});

it('names and templates are checked before anything is written', async () => {
  const { client } = await clipProject();
  const set = (prompts: typeof own) => client.project.setZeroShotHead({ task: 'vision', prompts });
  await expect(set({ ...own, templates: ['a photo'] })).rejects.toThrow(/validation/i);
  await expect(set({ ...own, classes: [] })).rejects.toThrow(/validation/i);
  await expectFailed(
    client.project.setZeroShotHead({ task: 'none', prompts: own }),
    'project.no_task',
  );
});
