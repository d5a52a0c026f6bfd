import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ownIdentity } from '../../../main/runs/process-identity.ts';
import { openProject } from '../../../main/runs/project.ts';
import { formatRecipe, parseRecipe } from '../../../main/runs/recipe.ts';
import {
  createRun,
  listRuns,
  lockRun,
  markRun,
  openRun,
  readRunRecipe,
  readRunRecord,
  recipeFolder,
  type RunFolder,
} from '../../../main/runs/run-folder.ts';

const recipe = parseRecipe(
  `schema: 1
name: Demo für alle!
base: base
tasks: [{ id: a, expert: e, head: h, data: d }]
methods: [{ id: pretrained }]
`,
  'demo.yaml',
);

let project: string;
beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'project-'));
});
afterEach(() => rm(project, { recursive: true }));

const create = (): Promise<RunFolder> => createRun(project, recipe, join(project, 'recipes'));

describe('createRun', () => {
  it('numbers runs under a readable id and keeps the recipe', async () => {
    const first = await create();
    const second = await create();
    expect([first.id, second.id]).toEqual(['demo-fur-alle-0001', 'demo-fur-alle-0002']);
    expect(await readFile(first.recipePath, 'utf8')).toBe(formatRecipe(recipe));
    expect((await readdir(first.folder)).sort()).toEqual(['recipe.yaml', 'run.json']);
    expect(JSON.parse(await readFile(join(project, 'project.json'), 'utf8'))).toEqual({
      schema: 1,
      application: 'mergewright',
    });
    expect(await readRunRecipe(second)).toEqual({ recipe, folder: join(project, 'recipes') });
  });

  it('gives every run its own folder when many start at once', async () => {
    const runs = await Promise.all(Array.from({ length: 8 }, create));
    expect(new Set(runs.map(({ folder }) => folder)).size).toBe(8);
    for (const run of runs) expect((await readRunRecord(run)).id).toBe(run.id);
    expect((await readdir(join(project, 'runs'))).every((name) => !name.startsWith('.'))).toBe(true);
  });

  it('goes on after the highest number', async () => {
    await mkdir(join(project, 'runs', 'demo-fur-alle-0041'), { recursive: true });
    expect((await create()).id).toBe('demo-fur-alle-0042');
  });

  it('says when the place cannot be written to', async () => {
    await writeFile(join(project, 'file'), '');
    await expect(createRun(join(project, 'file'), recipe, project)).rejects.toMatchObject({
      code: 'file.write_failed',
    });
  });
});

describe('openProject', () => {
  it.each([
    ['a later schema', '{"schema":2,"application":"mergewright"}'],
    ['a project of something else', '{"name":"web site"}'],
    ['no JSON', 'x'],
  ])('refuses %s', async (_, text) => {
    await writeFile(join(project, 'project.json'), text);
    await expect(openProject(project)).rejects.toMatchObject({ code: 'project.invalid' });
    expect(await readFile(join(project, 'project.json'), 'utf8')).toBe(text);
  });
});

describe('a run', () => {
  it('is opened by its folder', async () => {
    const run = await create();
    expect(await openRun(run.folder)).toEqual(run);
    await expect(openRun(project)).rejects.toMatchObject({ code: 'run.not_found' });
    await expect(openRun(join(project, 'nothing'))).rejects.toMatchObject({ code: 'run.not_found' });
  });

  it('keeps its status, and its message only as long as the status', async () => {
    const run = await create();
    expect(await readRunRecord(run)).toMatchObject({ status: 'created', id: run.id });
    await markRun(run, 'failed', 'the disk is full');
    expect(await readRunRecord(run)).toMatchObject({ status: 'failed', message: 'the disk is full' });
    await markRun(run, 'done');
    const record = await readRunRecord(run);
    expect(record.status).toBe('done');
    expect(record.message).toBeUndefined();
    await writeFile(join(run.folder, 'run.json'), '{"schema":1}');
    await expect(readRunRecord(run)).rejects.toMatchObject({ code: 'run.invalid' });
  });

  it('can be run again from its own copy of the recipe', async () => {
    const run = await create();
    expect(await recipeFolder(run.recipePath)).toBe(join(project, 'recipes'));
    expect(await recipeFolder(join(project, 'recipes', 'demo.yaml'))).toBe(join(project, 'recipes'));
  });

  it('is listed, and as interrupted when no process works on it any more', async () => {
    const first = await create();
    const second = await create();
    await mkdir(join(project, 'runs', 'notes'));
    await markRun(first, 'running');
    await markRun(second, 'running');
    const lock = await lockRun(second);
    expect((await listRuns(project)).map(({ run, status }) => [run.id, status])).toEqual([
      [first.id, 'interrupted'],
      [second.id, 'running'],
    ]);
    await lock.release();
    expect(await listRuns(join(project, 'nothing'))).toEqual([]);
  });
});

describe('lockRun', () => {
  const lockPath = (run: RunFolder): string => join(run.folder, 'lock.json');

  it('lets one in at a time', async () => {
    const run = await create();
    const lock = await lockRun(run);
    await expect(lockRun(run)).rejects.toMatchObject({
      code: 'run.in_use',
      what: `process ${process.pid} on ${hostname()} is working on this run`,
      where: lockPath(run),
    });
    await lock.release();
    await lock.release();
    await (await lockRun(run)).release();
    expect(await readdir(run.folder)).not.toContain('lock.json');
  });

  it('breaks the lock of a process that was killed', async () => {
    const run = await create();
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const identity = { ...(await ownIdentity()), pid: child.pid, started: null };
    await writeFile(lockPath(run), JSON.stringify(identity));
    await expect(lockRun(run)).rejects.toMatchObject({ code: 'run.in_use' });
    child.kill('SIGKILL');
    await once(child, 'exit');
    const lock = await lockRun(run);
    expect(await readFile(lockPath(run), 'utf8')).toContain(`"pid":${process.pid}`);
    await lock.release();
  });

  it('lets one of many break a stale lock', async () => {
    const run = await create();
    await writeFile(lockPath(run), JSON.stringify({ pid: 2 ** 22 + 1, started: null, host: hostname() }));
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => lockRun(run)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await readdir(run.folder)).sort()).toEqual(['lock.json', 'recipe.yaml', 'run.json']);
  });

  it.runIf(process.platform === 'linux')('is not fooled by a process id used anew', async () => {
    const run = await create();
    const identity = { ...(await ownIdentity()), started: 'an earlier boot:1' };
    await writeFile(lockPath(run), JSON.stringify(identity));
    await (await lockRun(run)).release();
  });

  it('never breaks the lock of another machine', async () => {
    const run = await create();
    await writeFile(lockPath(run), JSON.stringify({ pid: 1, started: null, host: 'elsewhere' }));
    await expect(lockRun(run)).rejects.toMatchObject({
      code: 'run.in_use',
      what: 'process 1 on elsewhere is working on this run',
    });
  });

  it('breaks an unreadable lock once it is old', async () => {
    const run = await create();
    await writeFile(lockPath(run), '');
    await expect(lockRun(run)).rejects.toMatchObject({ code: 'run.in_use' });
    const old = new Date(Date.now() - 60_000);
    await utimes(lockPath(run), old, old);
    await writeFile(`${lockPath(run)}.breaking`, '');
    await utimes(`${lockPath(run)}.breaking`, old, old);
    await (await lockRun(run)).release();
  });
});
