/**
 * Writes the held-out training images as sprite sheets, so that a recipe can be tried on them:
 *
 *   npx tsx build/demo-train/held-out.ts      # → .cache/demo/held-out/<task>/test.{webp,json}
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { readSpriteSheet } from '../../main/data/sprite-sheet.ts';
import { demoTasks, normalisation, trainingFolder } from './settings.ts';
import { splitByGroup } from './split.ts';

const perTask = 400;
const columns = 50;

for (const task of demoTasks) {
  const description = join(trainingFolder, 'tasks', task, 'train.json');
  const set = await readSpriteSheet(description, normalisation);
  const [, held] = splitByGroup(set);
  const stride = Math.max(1, Math.floor(held.length / perTask));
  const chosen = held.filter((_, i) => i % stride === 0).slice(0, perTask);
  const { size, pixels } = set.images.store;
  const width = columns * size;
  const height = Math.ceil(chosen.length / columns) * size;
  const sheet = new Uint8Array(width * height * 3);
  chosen.forEach((image, i) => {
    const left = (i % columns) * size;
    const top = Math.floor(i / columns) * size;
    for (let row = 0; row < size; row++) {
      const from = (image * size + row) * size * 3;
      sheet.set(pixels.subarray(from, from + size * 3), ((top + row) * width + left) * 3);
    }
  });
  const folder = join(trainingFolder, 'held-out', task);
  await mkdir(folder, { recursive: true });
  await sharp(sheet, { raw: { width, height, channels: 3 } })
    .webp({ lossless: true })
    .toFile(join(folder, 'test.webp'));
  const { groups: _groups, ...training } = JSON.parse(
    await readFile(description, 'utf8'),
  ) as Record<string, unknown>;
  const labels = chosen.map((image) => set.labels[image]);
  const json = {
    ...training,
    split: 'held-out',
    count: chosen.length,
    sheets: ['test.webp'],
    labels,
  };
  await writeFile(join(folder, 'test.json'), `${JSON.stringify(json)}\n`);
  console.log(`${task}: ${String(held.length)} of ${String(set.labels.length)} images held out`);
}
