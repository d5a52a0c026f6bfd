/** Surgery through a whole run: after which merge, with which result, and what can be made of it. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ChosenEngine } from '../../../main/engine/choice.ts';
import { evaluateTask, compileEncoder } from '../../../main/evaluation/evaluate.ts';
import { expertOf } from '../../../main/exporting/source.ts';
import { loadExported } from '../../../main/exporting/load.ts';
import { exportChoices } from '../../../main/host/export-choices.ts';
import { methodCatalogue } from '../../../main/runs/catalogue.ts';
import { exportRun } from '../../../main/runs/export-run.ts';
import { loadInputs } from '../../../main/runs/inputs.ts';
import { loadFinishedRun, runJob } from '../../../main/runs/job.ts';
import { loadMethodResult } from '../../../main/runs/method-result.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import { formatRecipe, parseRecipe } from '../../../main/runs/recipe.ts';
import type { Report } from '../../../main/runs/report.ts';
import type { RunFolder } from '../../../main/runs/run-folder.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTinyProject, type TinyProject } from '../../support/tiny-project.ts';
import { briefConfig, comparableFiles, tinyEngine } from '../../support/tiny-run.ts';

const loop = { steps: 4, learning_rate: 0.05 };
const methods = [
  { id: 'task_arithmetic' },
  { id: 'first', method: 'surgery', parameters: { ...loop, rank: 3 } },
  { id: 'adamerging', parameters: { ...loop } },
  { id: 'second', method: 'surgery', parameters: { ...loop, of: 'adamerging' } },
  { id: 'untouched', method: 'surgery', parameters: { of: 'adamerging', steps: 0 } },
];

let engine: ChosenEngine;
let project: TinyProject;
let run: RunFolder;
let report: Report;

beforeAll(async () => {
  engine = await tinyEngine();
  project = await createTinyProject(await temporaryFolder(), methods, briefConfig);
  run = await project.createRun();
  report = await runJob(run, { engine });
});

const reportOf = (id: string) => report.methods.find((method) => method.id === id)!;

it('says what it goes on from, and that it needs to know the task', () => {
  expect(reportOf('first')).toMatchObject({
    title: 'Surgery on task_arithmetic, task known',
    parameters: { of: 'task_arithmetic', rank: 3 },
    taskKnown: true,
    trainableParameters: 2 * 2 * 3 * 16,
  });
  expect(reportOf('second').title).toBe('Surgery on adamerging, task known');
  expect(reportOf('adamerging').taskKnown).toBeUndefined();
});

it('goes on from what the merge before has learned', async () => {
  // Without a step it is the merge, with its coefficients as they are in the end.
  const [merge, same] = await Promise.all(
    ['adamerging', 'untouched'].map((id) => loadMethodResult(run, id)),
  );
  expect(same!.predictions).toEqual(merge!.predictions);
  expect(reportOf('untouched').accuracy).toEqual(reportOf('adamerging').accuracy);
  const learned = await loadMethodResult(run, 'second');
  expect(learned!.predictions).not.toEqual(merge!.predictions);
});

it('goes on with the same bytes after a stop in its steps', async () => {
  const again = await project.createRun();
  const cancel = new AbortController();
  let steps = 0;
  const going = runJob(again, {
    engine,
    signal: cancel.signal,
    saveIntervalMs: 0,
    onEvent: (event) => {
      const own = event.type === 'adaptation.step' && event.method === 'second';
      if (own && ++steps === 2) cancel.abort();
    },
  });
  await expect(going).rejects.toThrow();
  expect(steps).toBe(2);
  await runJob(again, { engine });
  expect(await comparableFiles(again)).toEqual(await comparableFiles(run));
});

it('leaves an unseen task with the features of the merge', async () => {
  const recipe = { ...project.recipe, unseen: ['shapes'] };
  const other = await project.createRun(recipe);
  await runJob(other, { engine });
  const [merge, operated] = await Promise.all(
    ['adamerging', 'second'].map((id) => loadMethodResult(other, id)),
  );
  expect(operated!.predictions.get('shapes')!.predicted).toEqual(
    merge!.predictions.get('shapes')!.predicted,
  );
  expect([...operated!.values.values()].map(({ shape }) => shape)).toEqual([
    [16, 16],
    [16, 16],
  ]);
});

it('predicts the same in mixed batches', async () => {
  const evaluation = { ...project.recipe.evaluation, mixed: true };
  const mixed = await project.createRun({ evaluation });
  await runJob(mixed, { engine });
  const [alone, together] = await Promise.all([run, mixed].map((r) => loadMethodResult(r, 'second')));
  for (const [task, { predicted }] of alone!.predictions) {
    expect(together!.predictions.get(task)!.predicted).toEqual(predicted);
  }
});

describe.each(['dynamic', 'static'] as const)('exported as %s', (mode) => {
  it('has the measured accuracy', async () => {
    const finished = await loadFinishedRun(run, engine, (recipe) => loadInputs(recipe));
    const target = join(run.folder, `out-${mode}`);
    const { accuracy, results } = await exportRun(finished, {
      method: 'second',
      formats: ['safetensors', 'onnx'],
      mode,
      target,
    });
    expect(accuracy).toEqual(reportOf('second').accuracy);
    expect(results.map(({ kind }) => kind)).toEqual(['static', 'static']);
    const { model, values, experts, tasks } = await loadExported(join(target, 'safetensors'));
    const encoder = await compileEncoder(engine, model, values, { batch: 4, reduction: 'per-sample' });
    for (const { head } of tasks) {
      const { set } = finished.inputs.tasks.find(({ id }) => id === head.task)!;
      const expert = expertOf(experts, head.task);
      const found = await evaluateTask(encoder, set, head, { batch: 4, expert });
      expect(found.accuracy).toBe(accuracy[head.task]);
    }
    await encoder.dispose();
    // What the window says of it beforehand: the size of weights, modules and heads, and what is beside the encoder.
    const [choice] = await exportChoices(run, 'second', undefined);
    const tensors = [...model.constants.values(), ...values.values(), ...tasks.map((t) => t.head.weight)];
    expect(choice!.bytes).toBe(4 * tensors.reduce((sum, { data }) => sum + data.length, 0));
    expect(choice!.summary).toContain('The modules of the tasks are in a file beside it');
  });
});

it('is exported only where it is asked for', async () => {
  const finished = await loadFinishedRun(run, engine, (recipe) => loadInputs(recipe));
  const best = finished.results.map(({ report: each, ...rest }) => {
    const accuracy = each.taskKnown === true ? 1 : 0.5;
    return { ...rest, report: { ...each, average: accuracy } };
  });
  const target = join(run.folder, 'best');
  const request = { formats: ['onnx'], mode: 'dynamic', target } as const;
  const { method } = await exportRun({ ...finished, results: best }, request);
  expect(method).toBe('task_arithmetic');
  await finished.inputs.close();
});

describe('a recipe', () => {
  const parse = (list: readonly object[]) => {
    const text = formatRecipe(project.recipe);
    const before = text.slice(0, text.indexOf('methods:'));
    const rest = text.slice(text.indexOf('adaptation:'));
    return parseRecipe(`${before}methods: ${JSON.stringify(list)}\n${rest}`, 'r.yaml', methodCatalogue);
  };

  it.each([
    ['nothing stands before it', [{ id: 'surgery' }], 'put a static merge or AdaMerging before it'],
    [
      'only routers and references stand before it',
      [{ id: 'individual' }, { id: 'wemoe' }, { id: 'surgery' }],
      'put a static merge or AdaMerging before it',
    ],
    [
      'the merge comes later',
      [{ id: 'ties' }, { id: 'surgery', parameters: { of: 'adamerging' } }, { id: 'adamerging' }],
      'name one of ties',
    ],
    [
      'it is another surgery',
      [{ id: 'ties' }, { id: 'surgery' }, { id: 'two', method: 'surgery', parameters: { of: 'surgery' } }],
      'name one of ties',
    ],
  ])('is refused where %s', async (_, list, hint) => {
    const error = await expectFailure(() => parse(list), 'recipe.invalid_parameter');
    expect(error.hint).toBe(hint);
  });

  it('may name any merge of one weight set before it', () => {
    for (const id of ['ties', 'fisher', 'adamerging']) {
      const list = [{ id }, { id: 'surgery', parameters: { of: id } }];
      expect(parse(list).methods[1]!.parameters).toEqual({ of: id });
    }
  });
});

it('counts the images of the first pass, and stops within it', async () => {
  const again = await project.createRun({ methods: project.recipe.methods.slice(0, 2) });
  const cancel = new AbortController();
  const told: number[] = [];
  const going = runJob(again, {
    engine,
    signal: cancel.signal,
    onProgress: (_method, { phase, done, total }) => {
      if (phase !== 'preparing') return;
      told.push(done);
      // Two tasks of seven images, by the expert and by the merge.
      expect(total).toBe(28);
      if (told.length === 3) cancel.abort();
    },
  });
  await expect(going).rejects.toThrow(CancelledError);
  expect(told).toEqual([4, 7, 11]);
});
