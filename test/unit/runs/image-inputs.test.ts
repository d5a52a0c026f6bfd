/** Runs on image sets of other kinds than sprite sheets. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, expect, it, vi } from 'vitest';
import { readSpriteSheet } from '../../../main/data/sprite-sheet.ts';
import { runJob } from '../../../main/runs/job.ts';
import type { Recipe } from '../../../main/runs/recipe.ts';
import type { RunFolder } from '../../../main/runs/run-folder.ts';
import { writePictures } from '../../support/image-sets.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTinyProject, type TinyProject } from '../../support/tiny-project.ts';
import { briefConfig, briefMethods, comparableFiles, tinyEngine } from '../../support/tiny-run.ts';

const engine = await tinyEngine();
const unchanged = { mean: [0, 0, 0], deviation: [1, 1, 1] } as const;

let folder = '';
let project: TinyProject;
beforeAll(async () => {
  folder = await temporaryFolder();
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
  project = await createTinyProject(folder, briefMethods, briefConfig);
  // The same images again, a file for each, in the order of the sheet.
  for (const task of ['digits', 'shapes']) {
    const set = await readSpriteSheet(join(folder, `data/${task}.json`), unchanged);
    const { size, pixels } = set.images.store;
    await mkdir(join(folder, 'lists', task), { recursive: true });
    const rows = ['path,label'];
    for (const [i, label] of set.labels.entries()) {
      const image = pixels.subarray(i * size * size * 3, (i + 1) * size * size * 3);
      const raw = { width: size, height: size, channels: 3 } as const;
      await sharp(image, { raw }).png().toFile(join(folder, 'lists', task, `${i}.png`));
      rows.push(`${task}/${i}.png,${set.classNames[label]}`);
    }
    await writeFile(join(folder, 'lists', `${task}.csv`), rows.join('\n'));
  }
});

/** A run whose tasks have other data. */
async function runOn(change: (task: Recipe['tasks'][number]) => object): Promise<RunFolder> {
  const tasks = project.recipe.tasks.map((task) => ({ ...task, ...change(task) }));
  const run = await project.createRun({ tasks });
  await runJob(run, { engine });
  return run;
}

it('gives the bytes of a run on a sheet with the same images', async () => {
  const sheets = await comparableFiles(await runOn(() => ({})));
  const files = await comparableFiles(await runOn(({ id }) => ({ data: `lists/${id}.csv` })));
  const learned = Object.keys(sheets).filter((name) => /predictions|routing|methods/.test(name));
  expect(learned.length).toBeGreaterThan(4);
  for (const name of learned) expect(files[name], name).toBe(sheets[name]);
});

it('adapts to images that have no labels, and says so', async () => {
  const paths = ['1.png', '2.png', '3.png', '4.png', '5.png'];
  await writePictures(join(folder, 'flat'), paths);
  const transductive = await runOn(() => ({}));
  const own = await runOn(({ id }) => (id === 'digits' ? { unlabelled: 'flat' } : {}));
  const all = await runOn(() => ({ unlabelled: 'flat' }));
  const texts = await Promise.all(
    [transductive, own, all].map(async (run) => readFile(join(run.folder, 'report.json'), 'utf8')),
  );
  expect(texts[0]).toMatch(/test images of every task without their labels \(transductive/);
  expect(texts[1]).toMatch(/transductive, .*but for digits: images of their own/);
  expect(texts[2]).toMatch(/images of every task that are not measured on/);
  // What is adapted to changes what is learned, and nothing else.
  const individual = async (run: RunFolder) =>
    Object.entries(await comparableFiles(run)).filter(([name]) => /predictions.individual/.test(name));
  expect((await individual(own)).length).toBeGreaterThan(0);
  expect(await individual(own)).toEqual(await individual(transductive));
  expect(await readFile(join(own.folder, 'events.jsonl'), 'utf8')).not.toBe(
    await readFile(join(transductive.folder, 'events.jsonl'), 'utf8'),
  );
});

it('prepares images as the recipe says where it does', async () => {
  const preprocessing = {
    deviation: [0.5, 0.5, 0.5] as [number, number, number],
    edge: briefConfig.imageSize + 3,
    filter: 'bilinear' as const,
  };
  const tasks = project.recipe.tasks.map((task) => ({ ...task, data: `lists/${task.id}.csv` }));
  const changed = await project.createRun({ tasks, preprocessing });
  await runJob(changed, { engine });
  const usual = await comparableFiles(await runOn(({ id }) => ({ data: `lists/${id}.csv` })));
  const files = await comparableFiles(changed);
  expect(files['recipe.yaml']).toMatch(/preprocessing:\n {2}edge: \d+\n {2}filter: bilinear\n {2}deviation:/);
  const routing = Object.keys(usual).find((name) => name.includes('routing')) ?? '';
  expect(files[routing]).not.toBe(usual[routing]);
  const small = { edge: briefConfig.imageSize - 1 };
  const refused = await project.createRun({ tasks, preprocessing: small });
  await expectFailure(runJob(refused, { engine }), 'data.invalid');
});

it('refuses to measure on images without labels', async () => {
  await writePictures(join(folder, 'plain'), ['1.png']);
  const error = await expectFailure(
    runOn(() => ({ data: 'plain' })),
    'data.labels_missing',
  );
  expect(error.where).toMatch(/plain$/);
});

it('goes by the class names of a head that is made from them', async () => {
  const recipe = { classes: ['ant', 'bee'], templates: ['a {}.'] };
  await writePictures(join(folder, 'insects'), ['ant/1.png', 'wasp/1.png', 'cat/1.png']);
  const change = () => ({ data: 'insects', head: { prompts: recipe } });
  await expectFailure(runOn(change), 'data.classes_differ');
});

it('refuses a model that prepares its images in a way that is not known', async () => {
  const settings = {
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
    size: { shortest_edge: briefConfig.imageSize },
  };
  const file = join(folder, 'models/base/preprocessor_config.json');
  const withData = () => runOn(({ id }) => ({ data: `lists/${id}.csv` }));
  await writeFile(file, JSON.stringify({ ...settings, resample: 1 }));
  await expectFailure(withData(), 'data.preprocessing_unsupported');
  await writeFile(file, JSON.stringify({ ...settings, do_center_crop: false }));
  await expectFailure(withData(), 'data.preprocessing_unsupported');
  await writeFile(file, JSON.stringify({ ...settings, crop_size: 224 }));
  await expectFailure(withData(), 'data.invalid');
  // A sheet needs no more of it than mean and deviation.
  await runOn(() => ({}));
});
