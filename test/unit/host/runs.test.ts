import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunUpdate } from '../../../main/api/runs.ts';
import { readEvents } from '../../../main/runs/events.ts';
import { openRun } from '../../../main/runs/run-folder.ts';
import { comparableFiles } from '../../support/tiny-run.ts';
import {
  draftWith,
  expectFailed,
  hostWithProject,
  startHost,
  watch,
  type Client,
} from './support.ts';

/** So many steps that a test can step in between. */
const long = (steps = 5000) => [
  { id: 'individual' },
  {
    id: 'wemoe_1',
    method: 'wemoe',
    parameters: { router_layers: 1, steps, learning_rate: 0.01 },
  },
];

const start = async (client: Client, change = {}): Promise<string> =>
  (await client.merge.start(await draftWith(client, change))).run;

const adaptingFrom = (step: number) => (update: RunUpdate) =>
  update.type === 'progress' &&
  update.progress.phase === 'adapting' &&
  update.progress.done >= step;

/** Settles at the first update that fits, and goes on listening to the end in the background. */
async function until(client: Client, run: string, fits: (update: RunUpdate) => boolean) {
  for await (const update of await client.runs.watch({ run })) if (fits(update)) return update;
  throw new Error('the run ended before');
}

describe('a run', () => {
  it('is started, watched and reported', async () => {
    const { client, folder } = await hostWithProject();
    const run = await start(client, { monitor: { images: 4 } });
    const updates = await watch(client, run);
    const states = updates.flatMap((u) => (u.type === 'state' ? [u.run.status] : []));
    expect(updates[0]!.type).toBe('state');
    expect(states.at(-1)).toBe('done');
    expect(updates.filter(({ type }) => type === 'evaluation')).toHaveLength(2 * 4);

    const report = await client.runs.report({ run });
    const onDisk = JSON.parse(
      await readFile(join(folder, 'runs', run, 'report.json'), 'utf8'),
    ) as unknown;
    expect(report).toEqual(onDisk);
    const [card] = await client.runs.list();
    expect(card).toEqual(await client.runs.get({ run }));
    expect(card).toMatchObject({
      id: run,
      title: 'tiny',
      status: 'done',
      tasks: ['digits', 'shapes'],
    });
    const merged = report.methods.filter(({ id }) => id !== 'individual');
    expect(card!.best!.average).toBe(Math.max(...merged.map(({ average }) => average)));

    // What was streamed, put together, is what the log says.
    const [, wemoe] = await client.runs.curves({ run });
    expect(wemoe).toMatchObject({ method: 'wemoe_2', title: 'WEMoE l=2', steps: [1, 2, 3] });
    expect(wemoe!.driftSteps).toEqual([0, 1, 2]);
    expect(wemoe!.drift.map((layers) => layers.length)).toEqual([1, 1, 1]);
    expect(wemoe!.accuracySteps).toEqual([0, 1, 2, 3]);
    const streamed = updates.flatMap((u) => {
      if (u.type === 'curves') return [u.curves];
      return u.type === 'points' ? [u.points] : [];
    });
    const own = streamed.filter(({ method }) => method === 'wemoe_2');
    expect(own.flatMap(({ loss }) => loss)).toEqual(wemoe!.loss);
    expect(own.flatMap(({ accuracy }) => accuracy['shapes']!)).toEqual(wemoe!.accuracy['shapes']);
  });

  it('gives the same results with a monitor as without', async () => {
    const { client } = await hostWithProject();
    const reports = [];
    for (const monitor of [null, { images: 3 }]) {
      const run = await start(client, { monitor });
      await watch(client, run);
      const { recipe: _, ...report } = await client.runs.report({ run });
      reports.push(report);
    }
    expect(reports[1]).toEqual(reports[0]);
  });

  it('goes on when the connection that started it closes; others may watch', async () => {
    const { client, connect } = await hostWithProject(long(300));
    const other = connect();
    const run = await start(other.client);
    await until(other.client, run, adaptingFrom(1));
    other.close();
    await expectFailed(start(client), 'run.busy');
    const [first, second] = await Promise.all([watch(client, run), watch(client, run)]);
    for (const updates of [first, second]) {
      expect(updates.at(-1)).toMatchObject({ type: 'state', run: { status: 'done' } });
    }
  });

  it('tells of progress at most 15 times a second', async () => {
    const { client } = await hostWithProject(long(200));
    const run = await start(client);
    const times: number[] = [];
    await watch(client, run, ({ type }) => type === 'progress' && times.push(performance.now()));
    const [first = 0, last = 0] = [times[0], times.at(-1)];
    expect(times.length).toBeGreaterThan(3);
    expect((times.length - 1) / ((last - first) / 1000)).toBeLessThan(15);
  });
});

describe('control', () => {
  it('pauses with the state saved, goes on, and keeps the best step', async () => {
    const { client, folder } = await hostWithProject(long());
    const run = await start(client);
    await until(client, run, adaptingFrom(5));
    expect((await client.runs.pause({ run })).status).toBe('paused');
    const events = join(folder, 'runs', run, 'events.jsonl');
    // The step in progress is still finished.
    await expect
      .poll(async () => {
        const before = (await readEvents(events)).length;
        await new Promise((resolve) => setTimeout(resolve, 300));
        return (await readEvents(events)).length - before;
      })
      .toBe(0);
    expect(existsSync(join(folder, 'runs', run, 'state.safetensors'))).toBe(true);
    expect((await client.runs.unpause({ run })).status).toBe('running');
    await until(client, run, adaptingFrom(30));
    await client.runs.keepBest({ run });
    await watch(client, run);
    const report = await client.runs.report({ run });
    const { stoppedAt, keptStep } = report.methods[1]!;
    const [curves] = await client.runs.curves({ run });
    expect(curves!.keptStep).toBe(keptStep);
    expect(curves!.steps.at(-1)).toBe(stoppedAt);
    // Which one is best, the tests of the criterion and of best-step say.
    expect(curves!.steps).toContain(keptStep);
  });

  it('cancels and resumes with the bytes of a run that was never stopped', async () => {
    const { client, folder } = await hostWithProject(long(120));
    const first = await start(client);
    await until(client, first, adaptingFrom(20));
    expect((await client.runs.cancel({ run: first })).status).toBe('cancelled');
    await expectFailed(client.runs.report({ run: first }), 'run.unfinished');
    await expectFailed(client.runs.cancel({ run: first }), 'run.idle');
    expect((await client.runs.resume({ run: first })).status).toBe('running');
    await watch(client, first);
    const second = await start(client);
    await watch(client, second);
    const files = async (run: string) => comparableFiles(await openRun(join(folder, 'runs', run)));
    expect(await files(second)).toEqual(await files(first));
  });

  it('refuses to go on with other inputs, and says so to who watches', async () => {
    const { client, folder } = await hostWithProject(long(120));
    const run = await start(client);
    await until(client, run, adaptingFrom(5));
    await client.runs.cancel({ run });
    const recipe = join(folder, 'runs', run, 'recipe.yaml');
    await writeFile(recipe, (await readFile(recipe, 'utf8')).replace('seed: 3', 'seed: 4'));
    await client.runs.resume({ run });
    const updates = await watch(client, run);
    expect(updates.at(-1)).toMatchObject({ type: 'failed', failure: { code: 'run.changed' } });
  });

  it('stops in order when the host is told to quit', async () => {
    const { client, send, exits, folder } = await hostWithProject(long());
    const run = await start(client);
    await until(client, run, adaptingFrom(3));
    send({ type: 'quit' });
    await expect.poll(() => exits).toEqual([0]);
    const later = startHost();
    await later.client.project.open({ handle: later.handle(folder) });
    expect((await later.client.runs.get({ run })).status).toBe('cancelled');
  });

  it('has nothing to control in a run that is not going on', async () => {
    const { client, folder } = await hostWithProject();
    await expectFailed(client.runs.pause({ run: 'tiny-0001' }), 'run.not_found');
    await mkdir(join(folder, 'runs/broken'), { recursive: true });
    await writeFile(join(folder, 'runs/broken/run.json'), '{}');
    expect(await client.runs.list()).toMatchObject([{ id: 'broken', status: 'failed' }]);
    await expectFailed(client.runs.keepBest({ run: 'broken' }), 'run.idle');
  });
});

describe('history', () => {
  it('keeps notes, compares recipes, and brings removed runs back', async () => {
    const { client, folder } = await hostWithProject([
      { id: 'pretrained' },
      { id: 'simple_average' },
    ]);
    const a = await start(client);
    await watch(client, a);
    const draft = await client.merge.draft({ run: a });
    draft.methods.push({ id: 'ta', method: 'task_arithmetic', parameters: { lambda: 0.5 } });
    const { run: b } = await client.merge.start({ ...draft, seed: 9 });
    await watch(client, b);
    expect(await client.runs.diff({ a, b })).toEqual([
      { place: 'seed', a: 3, b: 9 },
      { place: 'methods', a: 'pretrained, simple_average', b: 'pretrained, simple_average, ta' },
      { place: 'methods.ta.method', a: null, b: 'task_arithmetic' },
      { place: 'methods.ta.lambda', a: null, b: 0.5 },
    ]);
    await client.runs.annotate({ run: a, note: 'the first' });
    expect(await client.runs.annotate({ run: a, starred: true })).toMatchObject({
      note: 'the first',
      starred: true,
    });
    expect((await client.runs.recipe({ run: a })).text).toContain('name: tiny');

    await client.runs.remove({ run: b });
    expect((await client.runs.list()).map(({ id }) => id)).toEqual([a]);
    expect(existsSync(join(folder, 'runs/.trash', b))).toBe(true);
    await expectFailed(client.runs.get({ run: b }), 'run.not_found');
    // A removed run keeps its number.
    const c = await start(client);
    await watch(client, c);
    expect(c).toBe('tiny-0003');
    expect(await client.runs.restore({ run: b })).toMatchObject({ id: b, status: 'done' });
    await expectFailed(client.runs.restore({ run: b }), 'run.not_found');
  });

  it('shows runs that came with a project, whatever folder it lies in', async () => {
    const { client, folder } = await hostWithProject([{ id: 'pretrained' }]);
    const run = await start(client);
    await watch(client, run);
    const record = JSON.parse(
      await readFile(join(folder, 'runs', run, 'run.json'), 'utf8'),
    ) as object;
    expect(record).toMatchObject({ recipeFolder: '../..' });
    const { cp } = await import('node:fs/promises');
    const copy = `${folder}-copy`;
    await cp(folder, copy, { recursive: true });
    const other = startHost();
    await other.client.project.open({ handle: other.handle(copy) });
    expect((await other.client.runs.list()).map(({ id }) => id)).toEqual([run]);
    const again = await other.client.merge.start(await other.client.merge.draft({ run }));
    expect((await watch(other.client, again.run)).at(-1)).toMatchObject({
      run: { status: 'done' },
    });
    const { rm } = await import('node:fs/promises');
    await rm(copy, { recursive: true });
  });
});
