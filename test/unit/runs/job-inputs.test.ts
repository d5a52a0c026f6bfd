/** Bad inputs: one clear error each, and a run folder that holds nothing but its recipe. */
import {
  copyFile,
  mkdir,
  readFile,
  rename,
  rm,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { writeSafetensors } from '../../../main/checkpoints/writer.ts';
import type { ErrorCode } from '../../../main/lib/error-codes.ts';
import { mlpTensors } from '../../../main/models/vit.ts';
import { runJob } from '../../../main/runs/job.ts';
import { readRunRecord } from '../../../main/runs/run-folder.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { filesBelow, temporaryFolder } from '../../support/temporary-folder.ts';
import { randomHead, randomModel, tinyConfig } from '../../support/tiny-models.ts';
import {
  createTinyProject,
  writeModel,
  writeSpriteSheet,
  type SheetOptions,
} from '../../support/tiny-project.ts';
import { tinyEngine } from '../../support/tiny-run.ts';

const folder = await temporaryFolder();
const engine = await tinyEngine();
const project = await createTinyProject(folder, [{ id: 'pretrained' }]);
const at = (path: string) => join(folder, path);
const digits = { task: 'digits', classes: 4, count: 7 };
const sheet = (changes: Partial<SheetOptions>) => () =>
  writeSpriteSheet(at('data'), { ...digits, ...changes });
const head = (classes: number, width: number) => () => {
  const { weight } = randomHead('digits', classes, width);
  return writeSafetensors(at('heads/digits.safetensors'), [
    { name: 'weight', dtype: 'F32', ...weight },
  ]);
};
const model = (path: string, changes: object) => () => {
  const config = { ...tinyConfig, ...changes };
  return writeModel(at(path), randomModel('other', config), config);
};
const text = (path: string, content: string) => () => writeFile(at(path), content);
const cut = (path: string, bytes: number) => async () =>
  truncate(at(path), (await readFile(at(path))).length - bytes);

/** Everything the recipe names, before anything was damaged. */
const sound = [...(await filesBelow(folder))];

interface Damage {
  readonly what: string;
  readonly code: ErrorCode;
  /** Of the file that is named. */
  readonly where: RegExp;
  readonly damage: () => Promise<unknown>;
}

const weights = 'model.safetensors';
const cases: readonly Damage[] = [
  {
    what: 'an expert cut short',
    code: 'checkpoint.truncated',
    where: /models.digits/,
    damage: cut(`models/digits/${weights}`, 100),
  },
  {
    what: 'a base model cut within its header',
    code: 'checkpoint.header_past_end',
    where: /models.base/,
    damage: () => truncate(at(`models/base/${weights}`), 100),
  },
  {
    what: 'a base model of zeros',
    code: 'checkpoint.header_not_json',
    where: /models.base/,
    damage: () => writeFile(at(`models/base/${weights}`), Buffer.alloc(1000)),
  },
  {
    what: 'a wider expert',
    code: 'merge.incompatible',
    where: /models.digits/,
    damage: model('models/digits', { hiddenSize: 8 }),
  },
  {
    what: 'an expert with fewer blocks',
    code: 'merge.incompatible',
    where: /models.digits/,
    damage: model('models/digits', { layerCount: 1 }),
  },
  {
    what: 'a base model of another kind',
    code: 'model.config_invalid',
    where: /models.base/,
    damage: text('models/base/config.json', '{"model_type":"vit"}'),
  },
  {
    what: 'a base model without config.json',
    code: 'model.config_missing',
    where: /models.base/,
    damage: () => unlink(at('models/base/config.json')),
  },
  {
    what: 'an expert without config.json',
    code: 'model.config_missing',
    where: /models.digits/,
    damage: () => unlink(at('models/digits/config.json')),
  },
  {
    what: 'a config.json that is not JSON',
    code: 'checkpoint.config_unreadable',
    where: /models.digits.config/,
    damage: text('models/digits/config.json', '{'),
  },
  {
    what: 'a config.json that asks for another shape',
    code: 'model.shape_mismatch',
    where: /models.base/,
    damage: async () => {
      await model('models/other', { patchSize: 2 })();
      await copyFile(at('models/other/config.json'), at('models/base/config.json'));
    },
  },
  {
    what: 'a missing expert',
    code: 'checkpoint.not_found',
    where: /models.shapes/,
    damage: () => rm(at('models/shapes'), { recursive: true }),
  },
  {
    what: 'preprocessing settings that are not',
    code: 'data.invalid',
    where: /preprocessor_config/,
    damage: text('models/base/preprocessor_config.json', '{"image_mean":[0.5]}'),
  },
  {
    what: 'an empty data set',
    code: 'data.empty',
    where: /digits\.json/,
    damage: sheet({ count: 0 }),
  },
  {
    what: 'images of another size',
    code: 'data.invalid',
    where: /digits\.json/,
    damage: sheet({ tile: 6 }),
  },
  {
    what: 'a missing data set',
    code: 'data.unreadable',
    where: /digits\.json/,
    damage: () => rename(at('data/digits.json'), at('data/else.json')),
  },
  {
    what: 'an image cut short',
    code: 'data.image_truncated',
    where: /digits\.png/,
    damage: cut('data/digits.png', 300),
  },
  {
    what: 'a head with a class too many',
    code: 'model.shape_mismatch',
    where: /heads.digits/,
    damage: head(5, tinyConfig.hiddenSize),
  },
  {
    what: 'a head for another encoder',
    code: 'model.shape_mismatch',
    where: /heads.digits/,
    damage: head(4, 12),
  },
  {
    what: 'a missing head',
    code: 'checkpoint.not_found',
    where: /heads.digits/,
    damage: () => unlink(at('heads/digits.safetensors')),
  },
];

async function restore(): Promise<void> {
  for (const part of ['models', 'data', 'heads']) await rm(at(part), { recursive: true });
  for (const [path, bytes] of sound) {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), bytes);
  }
}

test.each(cases)('$what is $code', async ({ code, where, damage }) => {
  await damage();
  const run = await project.createRun();
  const error = await expectFailure(runJob(run, { engine }), code);
  expect(error.where).toMatch(where);
  expect([...(await filesBelow(run.folder)).keys()]).toEqual(['recipe.yaml', 'run.json']);
  const record = await readRunRecord(run);
  expect(record).toMatchObject({ status: 'failed', message: error.message });

  // When the cause is mended, the same run goes on.
  await restore();
  await runJob(run, { engine });
  expect(await readRunRecord(run)).toMatchObject({ status: 'done' });
});

test('an adaptation that leaves the numbers is adaptation.diverged', async () => {
  const methods = [
    { id: 'pretrained', method: 'pretrained', parameters: {} },
    { id: 'wemoe', method: 'wemoe', parameters: { steps: 20, lambda: 2, learning_rate: 10 } },
  ];
  const base = randomModel('base');
  const [name] = mlpTensors(0);
  const huge = { ...base.get(name)!, data: base.get(name)!.data.map(() => 3e38) };
  await writeModel(at('models/digits'), new Map([...base, [name, huge]]));
  const run = await project.createRun({ methods });
  const error = await expectFailure(runJob(run, { engine }), 'adaptation.diverged');
  expect(error.where).toContain('wemoe');
  // What was finished before stays.
  const names = [...(await filesBelow(run.folder)).keys()];
  expect(names).toContain('methods/pretrained.json');
  expect(names.filter((path) => /wemoe|report|state|routing/.test(path))).toEqual([]);
  await restore();
});
