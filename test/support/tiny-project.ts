/** A whole project on disk, small enough to run in a second: checkpoints, heads, image sets, a recipe. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { writeSafetensors } from '../../main/checkpoints/writer.ts';
import { randomStream } from '../../main/lib/random.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import { formatVisionConfig, type VisionConfig } from '../../main/models/vision-config.ts';
import { parseRecipe, type Recipe } from '../../main/runs/recipe.ts';
import { createRun, type RunFolder } from '../../main/runs/run-folder.ts';
import { expertSet, randomHead, tinyConfig } from './tiny-models.ts';

/** Class count by task. */
const classCounts = { digits: 4, shapes: 3 } as const;
export const tinyTasks = ['digits', 'shapes'] as const;

export interface SheetOptions {
  readonly task: string;
  readonly classes: number;
  readonly count: number;
  readonly tile?: number;
}

/** Writes `<task>.json` and `<task>.png` with random pixels; returns the path of the JSON. */
export async function writeSpriteSheet(
  folder: string,
  { task, classes, count, tile = tinyConfig.imageSize }: SheetOptions,
): Promise<string> {
  const columns = 3;
  const rows = Math.max(1, Math.ceil(count / columns));
  const random = randomStream('pixels', task);
  const pixels = Uint8Array.from({ length: rows * columns * tile * tile * 3 }, () =>
    Math.floor(256 * random()),
  );
  const raw = { width: columns * tile, height: rows * tile, channels: 3 } as const;
  await sharp(pixels, { raw })
    .png()
    .toFile(join(folder, `${task}.png`));
  const path = join(folder, `${task}.json`);
  const description = {
    schema: 1,
    task,
    title: `Task ${task}`,
    split: 'test',
    classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
    tile,
    columns,
    count,
    sheets: [`${task}.png`],
    labels: Array.from({ length: count }, (_, i) => i % classes),
    synthetic: true,
  };
  await writeFile(path, JSON.stringify(description));
  return path;
}

export async function writeModel(
  folder: string,
  weights: ReadonlyMap<string, Tensor>,
  config: VisionConfig = tinyConfig,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(formatVisionConfig(config)));
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    [...weights].map(([name, { shape, data }]) => ({ name, dtype: 'F32', shape, data })),
  );
}

const steps = 6;
const wemoe = (depth: number, adaptation: string) => ({
  id: `wemoe_${depth}`,
  method: 'wemoe',
  parameters: {
    router_layers: depth,
    steps,
    learning_rate: 0.01,
    adaptation_reduction: adaptation,
  },
});
const adamerging = (granularity: string) => ({
  id: `adamerging_${granularity}`,
  method: 'adamerging',
  parameters: { granularity, steps, learning_rate: 0.01 },
});

/** Every kind of method, in the order of the demo's table. */
export const tinyMethods = [
  { id: 'pretrained' },
  { id: 'individual' },
  { id: 'simple_average' },
  { id: 'task_arithmetic' },
  { id: 'ties' },
  adamerging('task'),
  adamerging('layer'),
  wemoe(0, 'per-sample'),
  wemoe(1, 'per-sample'),
  wemoe(2, 'batch-mean'),
];

export interface TinyProject {
  readonly folder: string;
  readonly recipe: Recipe;
  /** A new run of the recipe, with the given parts of it replaced. */
  createRun(changes?: Partial<Recipe>): Promise<RunFolder>;
}

/** Writes everything a recipe needs into `folder` (models/, heads/, data/). */
export async function createTinyProject(
  folder: string,
  methods: readonly object[] = tinyMethods,
  config: VisionConfig = tinyConfig,
): Promise<TinyProject> {
  const set = expertSet(tinyTasks.length, config);
  await writeModel(join(folder, 'models/base'), set.base, config);
  await mkdir(join(folder, 'heads'), { recursive: true });
  await mkdir(join(folder, 'data'), { recursive: true });
  for (const [index, task] of tinyTasks.entries()) {
    await writeModel(join(folder, `models/${task}`), set.experts[index]!, config);
    const classes = classCounts[task];
    const { weight } = randomHead(task, classes, config.hiddenSize);
    await writeSafetensors(join(folder, `heads/${task}.safetensors`), [
      { name: 'weight', dtype: 'F32', ...weight },
    ]);
    const tile = config.imageSize;
    await writeSpriteSheet(join(folder, 'data'), { task, classes, count: 7, tile });
  }
  const text = JSON.stringify({
    schema: 1,
    name: 'tiny',
    seed: 3,
    base: 'models/base',
    tasks: tinyTasks.map((id) => ({
      id,
      expert: `models/${id}`,
      head: `heads/${id}.safetensors`,
      data: `data/${id}.json`,
    })),
    methods,
    adaptation: { batch: 3 },
    evaluation: { batch: 4 },
  });
  const recipe = parseRecipe(text, 'recipe.yaml');
  return {
    folder,
    recipe,
    createRun: (changes = {}) =>
      createRun(join(folder, 'project'), { ...recipe, ...changes }, folder),
  };
}
