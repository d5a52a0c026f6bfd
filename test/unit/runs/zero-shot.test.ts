/**
 * A run as people of FusionBench have it: a whole CLIP model as the base, experts that are vision encoders
 * without projection, and heads made from class names.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { commands } from '../../../main/cli/commands/index.ts';
import { runProgram } from '../../../main/cli/main.ts';
import { openModel } from '../../../main/checkpoints/open-model.ts';
import { loadVisionModel, type VisionModel } from '../../../main/models/vision-model.ts';
import { runJob } from '../../../main/runs/job.ts';
import type { HeadEntry } from '../../../main/runs/heads.ts';
import { parseRecipe, type Recipe } from '../../../main/runs/recipe.ts';
import { createRun } from '../../../main/runs/run-folder.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { clipFolder } from '../../support/tiny-clip.ts';
import { nearby } from '../../support/tiny-models.ts';
import { writeModel, writeSpriteSheet } from '../../support/tiny-project.ts';
import { tinyEngine } from '../../support/tiny-run.ts';

const folder = await temporaryFolder();
const at = (path: string) => join(folder, path);
const own = { classes: ['cat', 'dog', 'café'], templates: ['a photo of a {}.', 'the {}'] };
let base: VisionModel;

beforeAll(async () => {
  const checkpoint = await openModel(clipFolder);
  base = await loadVisionModel(checkpoint);
  await checkpoint.close();
  await mkdir(at('data'));
  for (const [task, classes] of [
    ['eurosat', 10],
    ['pets', 3],
  ] as const) {
    const { config } = base;
    const encoder = [...nearby(base.weights, task, 0.05)].filter(
      ([name]) => name !== 'visual_projection.weight',
    );
    await writeModel(at(`experts/${task}`), new Map(encoder), {
      ...config,
      projectionSize: undefined,
    });
    await writeSpriteSheet(at('data'), { task, classes, count: 6, tile: config.imageSize });
  }
  await writeFile(at('pets.json'), JSON.stringify(own));
});
beforeEach(() => {
  vi.stubEnv('XDG_CACHE_HOME', at('cache'));
});

function recipeWith(heads: Readonly<Record<'eurosat' | 'pets', HeadEntry>>, model = clipFolder): Recipe {
  return parseRecipe(
    JSON.stringify({
      schema: 1,
      name: 'zero-shot',
      base: model,
      tasks: Object.entries(heads).map(([id, head]) => ({
        id,
        expert: `experts/${id}`,
        head,
        data: `data/${id}.json`,
      })),
      methods: [
        { id: 'pretrained' },
        { id: 'individual' },
        { id: 'task_arithmetic' },
        { id: 'wemoe', parameters: { steps: 2, router_layers: 1 } },
      ],
      adaptation: { batch: 3 },
    }),
    'recipe.yaml',
  );
}

async function run(recipe: Recipe) {
  return runJob(await createRun(at('project'), recipe, folder), { engine: await tinyEngine() });
}

test('class names in the recipe, in a file and in head files give the same run', async () => {
  const named = await run(recipeWith({ eurosat: { prompts: 'eurosat' }, pets: { prompts: own } }));
  expect(named.methods.map(({ id }) => id)).toContain('wemoe');
  expect(named.taskDetails.map(({ classes }) => classes)).toEqual([10, 3]);

  const inFile = await run(
    recipeWith({
      eurosat: { prompts: 'eurosat', model: clipFolder },
      pets: { prompts: 'pets.json' },
    }),
  );
  expect(inFile.methods).toEqual(named.methods);

  const texts: string[] = [];
  const stream = { isTTY: false, write: (text: string) => texts.push(text) };
  const words = ['head', clipFolder, '--prompts', 'eurosat', at('pets.json'), '--out', at('heads')];
  const code = await runProgram([...words, '--json'], {
    commands,
    version: '0',
    stdout: stream,
    stderr: { isTTY: false, write: () => true },
    env: {},
    signal: new AbortController().signal,
  });
  expect(code).toBe(0);
  expect(JSON.parse(texts.join(''))).toEqual({
    heads: [
      { task: 'eurosat', classes: 10, prompts: 30, features: 10, path: at('heads/eurosat.safetensors') },
      { task: 'pets', classes: 3, prompts: 6, features: 10, path: at('heads/pets.safetensors') },
    ],
  });
  const files = await run(
    recipeWith({ eurosat: 'heads/eurosat.safetensors', pets: 'heads/pets.safetensors' }),
  );
  expect(files.methods).toEqual(named.methods);
});

test('a head with other class names than the images is refused', async () => {
  const recipe = recipeWith({ eurosat: { prompts: 'mnist' }, pets: { prompts: 'eurosat' } });
  const error = await expectFailure(run(recipe), 'model.shape_mismatch');
  expect(error.what).toBe('the head of task "pets" has 10 classes, its images have 3');
  expect(error.where).toBe('prompts of eurosat');
});

test('a base without text encoder needs a CLIP model for its heads, of the same width', async () => {
  await writeModel(at('vision'), base.weights, base.config);
  const prompts = { eurosat: { prompts: 'eurosat' }, pets: { prompts: own } };
  await expectFailure(run(recipeWith(prompts, at('vision'))), 'model.config_invalid');

  const later = join(clipFolder, '../later-style');
  const error = await expectFailure(
    run(recipeWith({ ...prompts, eurosat: { prompts: 'eurosat', model: later } })),
    'model.shape_mismatch',
  );
  expect(error.what).toContain('the text encoder gives 7 features');

  const named = recipeWith(
    {
      eurosat: { prompts: 'eurosat', model: clipFolder },
      pets: { prompts: own, model: clipFolder },
    },
    at('vision'),
  );
  const whole = await run(recipeWith(prompts));
  expect((await run(named)).methods).toEqual(whole.methods);
});

test('what is written in a run folder is the recipe with its class names', async () => {
  const made = await createRun(at('project'), recipeWith({ eurosat: { prompts: 'eurosat' }, pets: { prompts: own } }), folder);
  const text = await readFile(join(made.folder, 'recipe.yaml'), 'utf8');
  expect(text).toContain('prompts: eurosat');
  expect(text).toContain('- café');
});
