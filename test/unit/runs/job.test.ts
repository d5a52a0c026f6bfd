import { readFile, writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors } from '../../../main/checkpoints/safetensors.ts';
import type { ChosenEngine } from '../../../main/engine/choice.ts';
import { readEvents } from '../../../main/runs/events.ts';
import { runJob } from '../../../main/runs/job.ts';
import { parseReport, type Report } from '../../../main/runs/report.ts';
import { readRunRecord, type RunFolder } from '../../../main/runs/run-folder.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { filesBelow, temporaryFolder } from '../../support/temporary-folder.ts';
import {
  createTinyProject,
  tinyMethods,
  tinyTasks,
  type TinyProject,
} from '../../support/tiny-project.ts';
import { comparableFiles, tinyEngine } from '../../support/tiny-run.ts';

let engine: ChosenEngine;
let project: TinyProject;
let run: RunFolder;
let report: Report;

beforeAll(async () => {
  engine = await tinyEngine();
  project = await createTinyProject(await temporaryFolder());
  run = await project.createRun();
  report = await runJob(run, { engine });
});

describe('a run of every kind of method', () => {
  it('returns the report it wrote', async () => {
    expect(parseReport(await readFile(run.reportPath, 'utf8'), run.reportPath)).toEqual(report);
    expect(report.tasks).toEqual(tinyTasks);
    expect(report.methods.map(({ id }) => id)).toEqual(tinyMethods.map(({ id }) => id));
    expect(report).toMatchObject({ seed: 3, run: '.', exported: null });
  });

  it('counts what is on the diagonal of every confusion matrix', () => {
    for (const { id, accuracy, confusion, perClass } of report.methods) {
      for (const task of tinyTasks) {
        const rows = confusion![task]!;
        const images = rows.flat().reduce((a, b) => a + b, 0);
        const right = rows.reduce((sum, row, truth) => sum + row[truth]!, 0);
        expect(images, id).toBe(7);
        expect(accuracy[task], id).toBeCloseTo(right / 7, 12);
        expect(perClass![task]).toHaveLength(rows.length);
      }
    }
  });

  it('measures every method against the individual models', () => {
    const individual = report.methods.find(({ id }) => id === 'individual')!;
    for (const { average, normalizedAverage, accuracy } of report.methods) {
      const ratios = tinyTasks.map((task) => accuracy[task]! / individual.accuracy[task]!);
      expect(normalizedAverage).toBeCloseTo((ratios[0]! + ratios[1]!) / 2, 12);
      expect(average).toBeCloseTo((accuracy['digits']! + accuracy['shapes']!) / 2, 12);
    }
  });

  it('says how many values were learned and how routing was shared', () => {
    const learned = report.methods.map((m) => [m.trainableParameters, m.reduction?.adaptation]);
    // K = 2 experts, d = 16, L = 2 layers, 7 + 16 L tensors.
    const none = [undefined, undefined];
    expect(learned).toEqual([
      none,
      none,
      none,
      none,
      none,
      [2, undefined],
      [2 * 39, undefined],
      [2 * 2, 'per-sample'],
      [2 * (2 * 16 + 2), 'per-sample'],
      [2 * (16 * 16 + 16 + 2 * 16 + 2), 'batch-mean'],
    ]);
  });

  it('logs every step and every evaluation, in order', async () => {
    const events = await readEvents(run.eventsPath);
    expect(events[0]).toMatchObject({ type: 'run.started', tasks: tinyTasks });
    expect(events.at(-1)).toEqual({ type: 'run.finished' });
    for (const { id } of tinyMethods) {
      const own = events.filter((event) => 'method' in event && event.method === id);
      expect(own[0]!.type).toBe('method.started');
      expect(own.slice(-3).map(({ type }) => type)).toEqual([
        'evaluation',
        'evaluation',
        'method.finished',
      ]);
      const steps = own.flatMap((event) => (event.type === 'adaptation.step' ? [event.step] : []));
      const adaptive = id.startsWith('wemoe') || id.startsWith('adamerging');
      expect(steps).toEqual(adaptive ? [1, 2, 3, 4, 5, 6] : []);
      const snapshots = own.filter(({ type }) => type === 'adaptation.routing');
      expect(snapshots.length).toBe(id.startsWith('wemoe') ? 6 : 0);
    }
  });

  it('keeps routing weights of every image, layer and expert', async () => {
    const routing = await openSafetensors(run.routingPath);
    const shapes = [...routing.tensors.values()].map(({ name, shape }) => `${name} ${shape.join()}`);
    await routing.close();
    expect(shapes.sort()).toEqual(
      [0, 1, 2].flatMap((l) => tinyTasks.map((task) => `wemoe_${l}/${task} 7,2,2`)),
    );
  });

  it('leaves nothing unfinished behind', async () => {
    expect(await readRunRecord(run)).toMatchObject({ status: 'done' });
    const left = [...(await filesBelow(run.folder)).keys()].filter((name) => !/^(methods|predictions)\//.test(name));
    expect(left).toEqual([
      'events.jsonl',
      'recipe.yaml',
      'report.json',
      'routing.safetensors',
      'run.json',
      'timings.jsonl',
    ]);
  });
});

it('gives the same bytes again', async () => {
  const again = await project.createRun();
  await runJob(again, { engine });
  expect(await comparableFiles(again)).toEqual(await comparableFiles(run));
});

it('changes nothing when it is run although finished', async () => {
  const before = await comparableFiles(run);
  expect(await runJob(run, { engine })).toEqual(report);
  expect(await comparableFiles(run)).toEqual(before);
});

it('logs the individual models under the id that the recipe gives them', async () => {
  const methods = [{ id: 'experts', method: 'individual', parameters: {} }];
  const named = await project.createRun({ methods });
  await runJob(named, { engine });
  const ids = (await readEvents(named.eventsPath)).flatMap((e) => ('method' in e ? [e.method] : []));
  expect(new Set(ids)).toEqual(new Set(['experts']));
});

it('refuses to go on with another recipe than it began with', async () => {
  const methods = [{ id: 'pretrained', method: 'pretrained', parameters: {} }];
  const begun = await project.createRun({ methods });
  await runJob(begun, { engine });
  const other = await project.createRun({ methods, seed: 4 });
  await writeFile(begun.recipePath, await readFile(other.recipePath));
  await expectFailure(runJob(begun, { engine }), 'run.changed');
});
