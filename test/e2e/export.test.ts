/** Every format and mode of export, and the ONNX file in the hands of a stranger. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../main/runs/report.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tinyTasks } from '../support/tiny-project.ts';
import { predictAlone } from './onnx-alone.ts';
import { contents, errorLine, mergewright, printed, resultOf } from './program.ts';
import {
  accuracyOf,
  dataOf,
  onlyRun,
  readPredictions,
  readReport,
  writeProject,
} from './project.ts';

interface Exported {
  readonly method: string;
  readonly mode: string;
  readonly accuracy: Readonly<Record<string, number>>;
  readonly exports: readonly {
    readonly path: string;
    readonly format: string;
    readonly kind: string;
    readonly bytes: number;
    readonly files: readonly { readonly name: string }[];
    readonly verification: readonly { readonly what: string }[];
  }[];
}

let folder: string;
let run: string;
let report: Report;
let sets: Record<string, string>;

beforeAll(async () => {
  folder = await temporaryFolder();
  const recipe = await writeProject(folder);
  const project = join(folder, 'project');
  printed(await mergewright('run', recipe, '--project', project));
  run = await onlyRun(project);
  report = await readReport(run);
  sets = Object.fromEntries(tinyTasks.map((task, index) => [task, dataOf(folder)[index]!]));
});

/** Exports `method` to a new folder, with these words added. */
async function exportAs(method: string, format: string, mode: string): Promise<[string, Exported]> {
  const out = join(folder, `${method}-${format}-${mode}`);
  const how = ['--format', format, '--mode', mode, '--method', method, '--out', out];
  return [out, await resultOf<Exported>('export', run, ...how)];
}

async function accuracyAlone(path: string): Promise<Record<string, number>> {
  const predictions = await predictAlone(path, sets);
  const accuracies: Record<string, number> = {};
  for (const [task, set] of Object.entries(sets)) {
    const { labels } = JSON.parse(await readFile(set, 'utf8')) as { labels: number[] };
    const right = predictions[task]!.filter((each, image) => each === labels[image]).length;
    accuracies[task] = right / labels.length;
  }
  return accuracies;
}

async function evaluated(path: string): Promise<Record<string, number>> {
  const { tasks } = await resultOf<{ tasks: { task: string; accuracy: number }[] }>(
    'evaluate',
    path,
    '--tasks',
    ...Object.values(sets),
  );
  return Object.fromEntries(tasks.map(({ task, accuracy }) => [task, accuracy]));
}

describe.concurrent('ONNX, run alone, predicts what the run predicted', () => {
  it.each([
    ['wemoe_0', 'dynamic'],
    ['wemoe_1', 'dynamic'],
    ['wemoe_2', 'dynamic'],
    ['adamerging_layer', 'static'],
    ['ties', 'static'],
  ])('%s', async (method, kind) => {
    const [out, result] = await exportAs(method, 'onnx', 'dynamic');
    expect(result).toMatchObject({ method, mode: 'dynamic', accuracy: accuracyOf(report, method) });
    expect(result.exports).toMatchObject([{ path: out, format: 'onnx', kind }]);
    const predicted = await readPredictions(run, method);
    expect(await predictAlone(join(out, 'model.onnx'), sets)).toEqual(predicted);
  });
});

it('a folder of safetensors gives the accuracies of the run', async () => {
  const [out, result] = await exportAs('wemoe_2', 'safetensors', 'dynamic');
  expect(result.exports).toMatchObject([{ format: 'safetensors', kind: 'dynamic' }]);
  expect(await evaluated(out)).toEqual(accuracyOf(report, 'wemoe_2'));
  const listed = result.exports[0]!.files.map(({ name }) => name);
  expect(Object.keys(await contents(out)).sort()).toEqual(
    [...listed, 'heads', '.mergewright.json'].sort(),
  );
  expect(listed).toEqual(
    expect.arrayContaining(['model.safetensors', 'config.json', 'recipe.yaml', 'README.md']),
  );
});

it('a static export is an ordinary encoder with accuracies of its own, the same in both formats', async () => {
  const [folded, result] = await exportAs('wemoe_2', 'safetensors', 'static');
  expect(result.exports).toMatchObject([{ kind: 'static' }]);
  expect(await evaluated(folded)).toEqual(result.accuracy);
  const config = JSON.parse(await readFile(join(folded, 'config.json'), 'utf8')) as object;
  expect(config).toMatchObject({ model_type: 'clip_vision_model' });
  const inspected = await resultOf<object>('inspect', folded);
  expect(inspected).toMatchObject({ architecture: { layerCount: 2 }, tensorCount: 39 });

  const [onnx, other] = await exportAs('wemoe_2', 'onnx', 'static');
  expect(other.accuracy).toEqual(result.accuracy);
  expect(await accuracyAlone(join(onnx, 'model.onnx'))).toEqual(result.accuracy);
});

it('takes the best merge when none is named, and says size, accuracy and checks', async () => {
  const out = join(folder, 'best');
  const text = printed(await mergewright('export', run, '--format', 'onnx', '--out', out));
  const merges = report.methods.filter(({ id }) => id !== 'pretrained' && id !== 'individual');
  const best = merges.reduce((a, b) => (b.average > a.average ? b : a));
  expect(text).toContain(`Exported ${best.id}, dynamic, to ${out}\n`);
  expect(text).toContain(`Accuracy ${(100 * best.average).toFixed(1)} %`);
  expect(text).toMatch(/^ +[\d.]+ [kM]B {2}model\.onnx$/m);
  expect(text).toMatch(/^Verified: /m);
  const card = await readFile(join(out, 'README.md'), 'utf8');
  for (const task of tinyTasks) expect(card).toContain(`Task ${task}`);
});

it('gives the same bytes again', async () => {
  const [first, second] = [join(folder, 'first'), join(folder, 'second')];
  for (const out of [first, second]) {
    printed(await mergewright('export', run, '--format', 'onnx', '--out', out));
  }
  expect(await contents(second)).toEqual(await contents(first));
});

it('never writes into a folder that holds anything', async () => {
  const before = await contents(folder);
  const own = ['--format', 'onnx', '--method', 'ties', '--out'];
  const again = join(folder, 'ties-onnx-dynamic');
  errorLine(await mergewright('export', run, ...own, again), 'file.folder_exists');
  const foreign = join(folder, 'models');
  errorLine(await mergewright('export', run, ...own, foreign), 'file.folder_not_ours');
  const file = dataOf(folder)[0]!;
  errorLine(await mergewright('export', run, ...own, file), 'file.folder_not_ours');
  expect(await contents(folder)).toEqual(before);
});

it('refuses a method that the run has not', async () => {
  const before = await readdir(folder);
  for (const method of ['individual', 'wemoe_3']) {
    const words = ['--format', 'onnx', '--method', method, '--out', join(folder, 'none')];
    errorLine(await mergewright('export', run, ...words), 'export.unknown_method');
  }
  expect(await readdir(folder)).toEqual(before);
});
