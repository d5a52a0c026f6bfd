/** Bad inputs: one clear line each, exit 1, and no file or folder that was not there before. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../main/lib/error-codes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { randomModel, tinyConfig } from '../support/tiny-models.ts';
import { writeModel, writeSpriteSheet } from '../support/tiny-project.ts';
import { contents, errorLine, mergewright, printed } from './program.ts';
import { writeProject } from './project.ts';

let folder: string;
let recipe: string;
/** A copy of everything, to mend what a case has damaged. */
let sound: Map<string, Buffer>;
const at = (path: string): string => join(folder, path);

const methods = [
  { id: 'individual' },
  { id: 'task_arithmetic' },
  { id: 'ties', parameters: { density: 0.2 } },
];

beforeAll(async () => {
  folder = await temporaryFolder();
  recipe = await writeProject(folder, methods);
  const files = Object.entries(await contents(folder)).filter(([, kind]) => kind !== 'folder');
  sound = new Map();
  for (const [path] of files) sound.set(path, await readFile(at(path)));
});

/** Puts everything back, and takes away what was not there. */
async function mend(): Promise<void> {
  for (const path of Object.keys(await contents(folder))) {
    if (!existsSync(at(path)) || sound.has(path)) continue;
    if ([...sound.keys()].some((each) => each.startsWith(`${path}/`))) continue;
    await rm(at(path), { recursive: true });
  }
  for (const [path, bytes] of sound) {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), bytes);
  }
}

interface Fault {
  readonly what: string;
  readonly code: ErrorCode;
  /** What the line must name. */
  readonly names: string;
  readonly damage: () => Promise<unknown>;
}

/** Replaces `from`, which must be there, in the recipe. */
function editRecipe(from: string | RegExp, to: string): () => Promise<void> {
  return async () => {
    const text = await readFile(recipe, 'utf8');
    const edited = text.replace(from, to);
    expect(edited).not.toBe(text);
    await writeFile(recipe, edited);
  };
}

const expert = 'models/digits/model.safetensors';
const other = { ...tinyConfig, hiddenSize: 8 };

/** Of checkpoints and recipes: whatever merges meets them. */
const faults: readonly Fault[] = [
  {
    what: 'a truncated checkpoint',
    code: 'checkpoint.truncated',
    names: 'models/digits',
    damage: async () => truncate(at(expert), (await readFile(at(expert))).length - 100),
  },
  {
    what: 'a corrupt header',
    code: 'checkpoint.header_not_json',
    names: 'models/digits',
    damage: async () => {
      const bytes = await readFile(at(expert));
      bytes[20] = 0;
      await writeFile(at(expert), bytes);
    },
  },
  {
    what: 'a checkpoint that is something else',
    code: 'checkpoint.wrong_format',
    names: 'models/digits',
    damage: () =>
      writeFile(at(expert), 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n'),
  },
  {
    what: 'a checkpoint of another architecture',
    code: 'merge.incompatible',
    names: 'models/digits',
    damage: () => writeModel(at('models/digits'), randomModel('other', other), other),
  },
  {
    what: 'a missing config.json',
    code: 'model.config_missing',
    names: 'models/base',
    damage: () => rm(at('models/base/config.json')),
  },
  {
    what: 'a missing checkpoint',
    code: 'checkpoint.not_found',
    names: 'models/shapes',
    damage: () => rm(at('models/shapes'), { recursive: true }),
  },
  {
    what: 'an empty data set',
    code: 'data.empty',
    names: 'data/digits.json',
    damage: () => writeSpriteSheet(at('data'), { task: 'digits', classes: 4, count: 0 }),
  },
  {
    what: 'a missing data set',
    code: 'data.unreadable',
    names: 'data/shapes.json',
    damage: () => rm(at('data/shapes.json')),
  },
  {
    what: 'an unknown method',
    code: 'recipe.unknown_method',
    names: 'recipe.yaml, line',
    damage: editRecipe(/^ {2}- id: ties$/m, '  - id: tise'),
  },
  {
    what: 'an unknown parameter',
    code: 'recipe.unknown_parameter',
    names: 'recipe.yaml, line',
    damage: editRecipe('density: 0.2', 'densty: 0.2'),
  },
  {
    what: 'a parameter out of range',
    code: 'recipe.invalid_parameter',
    names: 'recipe.yaml, line',
    damage: editRecipe('density: 0.2', 'density: 1.2'),
  },
  {
    what: 'bad YAML',
    code: 'recipe.unreadable',
    names: 'recipe.yaml, line',
    damage: () => writeFile(recipe, 'schema: [1\n'),
  },
  {
    what: 'an unknown key',
    code: 'recipe.invalid',
    names: 'did you mean "base"',
    damage: editRecipe('\nbase:', '\nbse:'),
  },
  {
    what: 'a recipe that is not there',
    code: 'recipe.unreadable',
    names: 'there is no recipe here',
    damage: () => rm(recipe),
  },
];

describe('damaged inputs', () => {
  afterEach(mend);

  it.each(faults)('$what is $code, for run and for merge', async ({ code, names, damage }) => {
    await damage();
    const before = await contents(folder);
    const outcomes = await Promise.all([
      mergewright('run', recipe, '--project', at('project')),
      mergewright('merge', recipe, '--method', 'ties', '--out', at('merged')),
    ]);
    for (const outcome of outcomes) expect(errorLine(outcome, code)).toContain(names);
    expect(await contents(folder)).toEqual(before);
  });

  it('with --json the error is a document too', async () => {
    await truncate(at(expert), 100);
    const outcome = await mergewright('run', recipe, '--project', at('project'), '--json');
    expect(outcome.code).toBe(1);
    expect(JSON.parse(outcome.out)).toEqual({
      error: {
        code: 'checkpoint.header_past_end',
        what: expect.any(String) as string,
        where: expect.stringContaining('models/digits') as string,
        hint: expect.any(String) as string,
      },
    });
    errorLine({ ...outcome, out: '' }, 'checkpoint.header_past_end');
  });
});

describe.concurrent('commands that are pointed at the wrong thing', () => {
  let before: Record<string, string>;
  beforeAll(async () => {
    before = await contents(folder);
  });

  it.each<[string, (path: typeof at) => string[], ErrorCode]>([
    ['inspect of nothing', (path) => ['inspect', path('none')], 'checkpoint.not_found'],
    [
      'inspect of a folder without weights',
      (path) => ['inspect', path('data')],
      'checkpoint.no_weights',
    ],
    [
      'inspect of an image',
      (path) => ['inspect', path('data/digits.png')],
      'checkpoint.header_too_large',
    ],
    [
      'inspect beside a base that is none',
      (path) => ['inspect', path('models/base'), '--base', path('heads/digits.safetensors')],
      'model.config_missing',
    ],
    [
      'export of no run',
      (path) => ['export', path('models'), '--format', 'onnx', '--out', path('out')],
      'run.not_found',
    ],
    [
      'evaluate without heads',
      (path) => ['evaluate', path('models/base'), '--tasks', path('data/digits.json')],
      'model.head_missing',
    ],
    [
      'evaluate on nothing',
      (path) => [
        ...['evaluate', path('models/base'), '--heads', path('heads')],
        ...['--tasks', path('none.json')],
      ],
      'data.unreadable',
    ],
    [
      'merge with a method that learns',
      (path) => ['merge', path('recipe.yaml'), '--method', 'wemoe', '--out', path('out')],
      'recipe.unknown_method',
    ],
    [
      'merge of a recipe with several methods',
      (path) => ['merge', path('recipe.yaml'), '--out', path('out')],
      'recipe.unknown_method',
    ],
    [
      'merge into a folder of another origin',
      (path) => ['merge', path('recipe.yaml'), '--method', 'ties', '--out', path('models')],
      'file.folder_not_ours',
    ],
    [
      'merge below a file',
      (path) => [
        'merge',
        path('recipe.yaml'),
        '--method',
        'ties',
        '--out',
        path('recipe.yaml/out'),
      ],
      'file.write_failed',
    ],
    [
      'run into a file',
      (path) => ['run', path('recipe.yaml'), '--project', path('recipe.yaml')],
      'file.write_failed',
    ],
  ])('%s', async (_, words, code) => {
    errorLine(await mergewright(...words(at)), code);
  });

  // One look for all of them, as they work at the same time.
  afterAll(async () => expect(await contents(folder)).toEqual(before));
});

it('when the fault is mended, the same commands work', async () => {
  printed(await mergewright('run', recipe, '--project', at('project')));
  printed(await mergewright('merge', recipe, '--method', 'ties', '--out', at('project/merged')));
});
