/** The main job on a tiny project: run, look, evaluate, merge. */
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { locateReport, type Report } from '../../main/runs/report.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tinyMethods, tinyTasks } from '../support/tiny-project.ts';
import { mergewright, printed, resultOf, startMergewright, type Outcome } from './program.ts';
import {
  accuracyOf,
  comparable,
  dataOf,
  onlyRun,
  readPredictions,
  readReport,
  writeProject,
} from './project.ts';

let folder: string;
let recipe: string;
let project: string;
let run: string;
let ran: Outcome;
let report: Report;

beforeAll(async () => {
  folder = await temporaryFolder();
  recipe = await writeProject(folder, undefined, {
    export: { method: 'wemoe_2', formats: ['safetensors', 'onnx'], mode: 'dynamic' },
  });
  project = join(folder, 'project');
  ran = await mergewright('run', recipe, '--project', project, '--json');
  run = await onlyRun(project);
  report = await readReport(run);
});

describe('run', () => {
  it('prints the report as one document, with paths that work from anywhere', () => {
    const result = JSON.parse(printed(ran)) as Report;
    expect(result).toEqual(locateReport(report, run));
    expect(result.run).toBe(run);
    expect(existsSync(join(result.exported!, 'onnx/model.onnx'))).toBe(true);
    expect(existsSync(join(result.exported!, 'safetensors/model.safetensors'))).toBe(true);
  });

  it('tells its progress on standard error', () => {
    expect(ran.err).toContain('tiny: 2 tasks, 10 methods');
    expect(ran.err).toMatch(/^Engine: ONNX Runtime .*, 1 threads/m);
    expect(ran.err).toMatch(/^Loading: 5 inputs/m);
    expect(ran.err).toMatch(/^wemoe_2 +adapting: 6 steps in .*, loss /m);
    expect(ran.err).toMatch(/^Exporting ONNX/m);
  });

  it('reports every method on every task', () => {
    expect(report.tasks).toEqual(tinyTasks);
    expect(report.methods.map(({ id }) => id)).toEqual(tinyMethods.map(({ id }) => id));
    for (const { accuracy, average } of report.methods) {
      expect(Object.keys(accuracy)).toEqual(tinyTasks);
      for (const value of [...Object.values(accuracy), average]) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
      }
    }
    expect(report.methods[1]?.normalizedAverage).toBe(1);
  });

  it('keeps the predictions that the accuracies count', async () => {
    for (const { id, accuracy } of report.methods) {
      const predictions = await readPredictions(run, id);
      for (const [index, task] of tinyTasks.entries()) {
        const { labels } = JSON.parse(await readFile(dataOf(folder)[index]!, 'utf8')) as {
          labels: number[];
        };
        const right = predictions[task]!.filter((each, image) => each === labels[image]).length;
        expect(predictions[task]).toHaveLength(labels.length);
        expect(accuracy[task], id).toBeCloseTo(right / labels.length, 12);
      }
    }
  });

  it('gives the same bytes again, also from the copy of the recipe in the run', async () => {
    const elsewhere = join(folder, 'elsewhere');
    const copy = join(run, 'recipe.yaml');
    printed(await mergewright('run', copy, '--project', elsewhere));
    expect(await comparable(await onlyRun(elsewhere))).toEqual(await comparable(run));
  });

  it('on a finished run prints its results again, as a table', async () => {
    const before = await comparable(run);
    const text = printed(await mergewright('run', run));
    expect(text).toMatch(/^method +digits† +shapes† +average +normalized$/m);
    expect(text).toMatch(/^WEMoE l=2 /m);
    expect(text).toContain('Routing weights of WEMoE');
    expect(text).toContain(`Run       ${run}\nExported  ${join(run, 'exported')}\n`);
    expect(await comparable(run)).toEqual(before);
    expect(await readdir(join(project, 'runs'))).toEqual(['tiny-0001']);
  });

  it('puts its project beside the person, and numbers the runs', async () => {
    const methods = [{ id: 'individual' }, { id: 'simple_average' }];
    const brief = await writeProject(await temporaryFolder(), methods);
    const home = await temporaryFolder();
    for (let i = 0; i < 2; i++) printed(await startMergewright(['run', brief], home).end);
    const runs = await readdir(join(home, 'mergewright-project/runs'));
    expect(runs.sort()).toEqual(['tiny-0001', 'tiny-0002']);
  });
});

describe('inspect', () => {
  it('of a checkpoint file', async () => {
    const path = join(folder, 'models/base/model.safetensors');
    const result = await resultOf<object>('inspect', path, '--tensors');
    expect(result).toMatchObject({ kind: 'checkpoint', path, dtypes: ['F32'], tensorCount: 39 });
    expect(printed(await mergewright('inspect', path))).toMatch(/^tensors +39$/m);
  });

  it('of a model folder, beside its base', async () => {
    const words = ['inspect', join(folder, 'models/digits'), '--base', join(folder, 'models/base')];
    const result = await resultOf<{ base: { taskVectorNorm: number } }>(...words);
    expect(result).toMatchObject({ architecture: { hiddenSize: 16, layerCount: 2 } });
    expect(result.base.taskVectorNorm).toBeGreaterThan(0);
    expect(printed(await mergewright(...words))).toMatch(/^base +.*: compatible$/m);
  });

  it('of a run', async () => {
    const result = await resultOf<object>('inspect', run);
    expect(result).toMatchObject({ kind: 'run', id: 'tiny-0001', path: run, status: 'done' });
    expect(result).toMatchObject({ report: locateReport(report, run) });
    const text = printed(await mergewright('inspect', run));
    expect(text).toMatch(/^status +done$/m);
    expect(text).toMatch(/^method +digits/m);
  });

  it('of a project', async () => {
    const result = await resultOf<object>('inspect', project);
    expect(result).toMatchObject({ kind: 'project', runs: [{ id: 'tiny-0001', status: 'done' }] });
  });
});

interface Evaluation {
  readonly tasks: readonly { task: string; images: number; accuracy: number }[];
  readonly average: number;
}

describe('evaluate', () => {
  it('of an exported model finds what the report says', async () => {
    const exported = join(run, 'exported/safetensors');
    const result = await resultOf<Evaluation>('evaluate', exported, '--tasks', ...dataOf(folder));
    const found = Object.fromEntries(result.tasks.map(({ task, accuracy }) => [task, accuracy]));
    expect(found).toEqual(accuracyOf(report, 'wemoe_2'));
    expect(result.tasks.map(({ images }) => images)).toEqual([7, 7]);
  });

  it('of the base model with heads finds what the report says', async () => {
    const heads = join(folder, 'heads');
    const words = ['evaluate', join(folder, 'models/base'), '--heads', heads];
    const result = await resultOf<Evaluation>(...words, '--tasks', ...dataOf(folder));
    const found = Object.fromEntries(result.tasks.map(({ task, accuracy }) => [task, accuracy]));
    expect(found).toEqual(accuracyOf(report, 'pretrained'));
    const text = printed(await mergewright(...words, '--tasks', dataOf(folder)[0]!));
    expect(text).toMatch(/^Task digits +\d+\.\d % {2}of 7 images\naverage +\d+\.\d %\n$/);
  });
});

describe('merge', () => {
  it.each(['simple_average', 'task_arithmetic', 'ties'])(
    '%s writes the model that the run measured',
    async (method) => {
      const out = join(folder, `merged-${method}`);
      const words = ['merge', recipe, '--method', method, '--out', out];
      expect(await resultOf<object>(...words)).toMatchObject({ method, path: out });
      const result = await resultOf<Evaluation>('evaluate', out, '--tasks', ...dataOf(folder));
      const found = Object.fromEntries(result.tasks.map(({ task, accuracy }) => [task, accuracy]));
      expect(found).toEqual(accuracyOf(report, method));
    },
  );
});

it('engines lists every engine with its speed or why it cannot run', async () => {
  const { engines } = await resultOf<{
    engines: { id: string; available: boolean; gflops?: number; reason?: string }[];
  }>('engines', '--threads', '1');
  expect(engines.map(({ id }) => id)).toEqual(
    expect.arrayContaining(['onnx', 'tfjs-wasm', 'reference']),
  );
  for (const { available, gflops, reason } of engines) {
    if (available) expect(gflops).toBeGreaterThan(0);
    else expect(reason).toMatch(/\w/);
  }
  expect(engines.find(({ id }) => id === 'onnx')).toMatchObject({ available: true, threads: 1 });
});
