import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { corruptImage } from '../../../main/data/corruptions/corruptions.ts';
import { writeSafetensors } from '../../../main/checkpoints/writer.ts';
import { measureTaskVectors } from '../../../main/merging/task-vectors.ts';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { randomModel, tinyConfig } from '../../support/tiny-models.ts';
import { writeModel } from '../../support/tiny-project.ts';
import { expectFailed, hostWithProject, startHost, tinyFolder } from './support.ts';

describe('opening', () => {
  it('makes materials of a recipe and writes nothing before the first edit', async () => {
    const { client, folder, told } = await hostWithProject();
    const overview = await client.project.overview();
    expect(overview).toMatchObject({
      location: folder,
      demo: false,
      baseProblem: null,
      base: { title: 'base', location: 'models/base', dtypes: ['F32'] },
      tasks: [
        { id: 'digits', title: 'Task digits', problem: null, headProblem: null, dataProblem: null },
        { id: 'shapes', head: { classes: 3 }, data: { images: 7, classCounts: [3, 2, 2] } },
      ],
      canUndo: null,
    });
    await expect(readFile(join(folder, 'project.json'))).rejects.toThrow('ENOENT');
    expect(told).toContainEqual(expect.objectContaining({ type: 'opened', path: folder }));
  });

  it('makes an empty folder a project', async () => {
    const [host, folder] = [startHost(), await temporaryFolder()];
    await writeFile(join(folder, '.DS_Store'), '');
    const overview = await host.client.project.open({ handle: host.handle(folder) });
    expect(overview).toMatchObject({ base: null, baseProblem: null, tasks: [] });
    expect(JSON.parse(await readFile(join(folder, 'project.json'), 'utf8'))).toMatchObject({
      application: 'mergewright',
    });
  });

  it('takes the materials of the last run where only the terminal has worked', async () => {
    const host = startHost();
    const folder = await tinyFolder();
    const { createRun } = await import('../../../main/runs/run-folder.ts');
    const { readRecipe } = await import('../../../main/runs/recipe.ts');
    const project = join(folder, 'terminal');
    await createRun(project, await readRecipe(join(folder, 'recipe.yaml')), folder);
    const overview = await host.client.project.open({ handle: host.handle(project) });
    expect(overview.base?.location).toBe('../models/base');
    expect(overview.tasks.map(({ expert }) => expert?.location)).toEqual([
      '../models/digits',
      '../models/shapes',
    ]);
  });

  it('refuses folders of something else, files, and nothing', async () => {
    const [host, folder] = [startHost(), await temporaryFolder()];
    await writeFile(join(folder, 'letter.txt'), 'Dear');
    const open = (path: string) => host.client.project.open({ handle: host.handle(path) });
    expect((await expectFailed(open(folder), 'project.invalid')).what).toContain('letter.txt');
    await expectFailed(open(join(folder, 'letter.txt')), 'project.invalid');
    await expectFailed(open(join(folder, 'nowhere')), 'project.invalid');
    await expectFailed(host.client.project.open({ handle: '0'.repeat(32) }), 'file.read_failed');
    await expectFailed(host.client.project.undo(), 'project.none_open');
    expect(await host.client.project.overview()).toBeNull();
  });

  it('opens the former project again without a word when it can', async () => {
    const host = startHost();
    const folder = await tinyFolder();
    host.send({ type: 'project', path: folder });
    expect((await host.client.project.overview())?.location).toBe(folder);
    const other = startHost();
    other.send({ type: 'project', path: join(folder, 'gone') });
    expect(await other.client.project.overview()).toBeNull();
  });
});

describe('cards', () => {
  it('show what cannot be read or merged, each on its own card', async () => {
    const { client, folder } = await hostWithProject();
    await writeFile(join(folder, 'models/digits/model.safetensors'), 'no weights');
    await writeModel(join(folder, 'models/shapes'), randomModel('other', tinyConfig), tinyConfig);
    await writeFile(join(folder, 'data/shapes.json'), '{');
    const overview = await client.project.overview();
    const [digits, shapes] = overview!.tasks;
    expect(overview!.base).not.toBeNull();
    expect(digits).toMatchObject({ expert: null, headProblem: null, dataProblem: null });
    expect(digits!.problem?.code).toMatch(/^checkpoint\./);
    expect(shapes).toMatchObject({
      problem: { code: 'merge.incompatible' },
      data: null,
      dataProblem: { code: 'data.invalid' },
    });
    expect(shapes!.expert).not.toBeNull();
  });

  it('compare a head with the images and the encoder', async () => {
    const { client, folder } = await hostWithProject();
    const head = (shape: [number, number]) =>
      writeSafetensors(join(folder, 'heads/shapes.safetensors'), [
        { name: 'weight', dtype: 'F32', shape, data: new Float32Array(shape[0] * shape[1]) },
      ]);
    const problem = async () => (await client.project.overview())!.tasks[1]!.headProblem;
    await head([5, 16]);
    expect((await problem())?.what).toContain('the head has 5 classes, the images have 3');
    await head([3, 7]);
    expect(await problem()).toMatchObject({ code: 'model.shape_mismatch' });
  });
});

describe('edits', () => {
  it('can be taken back and done again, and survive the host', async () => {
    const { client, handle, folder } = await hostWithProject();
    const ids = async () => (await client.project.overview())!.tasks.map(({ id }) => id);
    await client.project.moveTask({ task: 'shapes', to: 0 });
    expect(await ids()).toEqual(['shapes', 'digits']);
    const removed = await client.project.removeTask({ task: 'digits' });
    expect(removed.canUndo).toBe('removing task digits');
    expect(await ids()).toEqual(['shapes']);
    expect((await client.project.undo()).canRedo).toBe('removing task digits');
    await client.project.undo();
    expect(await ids()).toEqual(['digits', 'shapes']);
    await expectFailed(client.project.undo(), 'project.nothing_to_undo');
    await client.project.redo();
    await client.project.setTask({ task: 'shapes', title: 'Forms' });
    await expectFailed(client.project.redo(), 'project.nothing_to_undo');

    const later = startHost();
    const again = await later.client.project.open({ handle: later.handle(folder) });
    expect(again.tasks.map(({ id, title }) => [id, title])).toEqual([
      ['shapes', 'Forms'],
      ['digits', 'Task digits'],
    ]);
    await expectFailed(client.project.removeTask({ task: 'none' }), 'project.no_task');
    await expectFailed(
      client.project.setTask({ task: 'none', head: handle(folder) }),
      'project.no_task',
    );
  });

  it('build a project from nothing, finding heads and images where they usually lie', async () => {
    const source = await tinyFolder();
    await mkdir(join(source, 'tasks/digits'), { recursive: true });
    for (const kind of ['json', 'png']) {
      const bytes = await readFile(join(source, `data/digits.${kind}`));
      const name = kind === 'json' ? 'test.json' : 'digits.png';
      await writeFile(join(source, 'tasks/digits', name), bytes);
    }
    const [host, folder] = [startHost(), await temporaryFolder()];
    const { client, handle } = host;
    await client.project.open({ handle: handle(folder) });
    await client.project.setBase({ handle: handle(join(source, 'models/base')) });
    const two = await client.project.addExperts({
      handles: [handle(join(source, 'models/digits')), handle(join(source, 'models/digits'))],
    });
    expect(two.canUndo).toBe('adding 2 experts');
    expect(two.tasks).toMatchObject([
      { id: 'digits', problem: null, head: { classes: 4 }, data: { images: 7 } },
      { id: 'digits-2', problem: null },
    ]);
    const set = await client.project.setTask({
      task: 'digits-2',
      head: handle(join(source, 'heads/shapes.safetensors')),
      data: handle(join(source, 'data/shapes.json')),
    });
    expect(set.tasks[1]).toMatchObject({
      head: { classes: 3 },
      headProblem: null,
      dataProblem: null,
    });
  });
});

describe('what is no checkpoint', () => {
  it('becomes neither base nor expert, nor does what came with it', async () => {
    const { client, handle, folder } = await hostWithProject();
    const [note, expert] = [join(folder, 'notes.txt'), join(folder, 'models/digits')];
    await writeFile(note, 'Dear');
    const refused = client.project.addExperts({ handles: [handle(expert), handle(note)] });
    expect(await expectFailed(refused, 'checkpoint.wrong_format')).toMatchObject({
      what: '"notes.txt" is no checkpoint',
      where: note,
    });
    await writeFile(join(folder, 'cut.safetensors'), 'Dear');
    const damaged = client.project.addExperts({
      handles: [handle(join(folder, 'cut.safetensors'))],
    });
    await expectFailed(damaged, 'checkpoint.too_short');
    await expectFailed(
      client.project.setBase({ handle: handle(join(folder, 'heads')) }),
      'checkpoint.no_weights',
    );
    const { base, tasks, canUndo } = (await client.project.overview())!;
    expect([base?.title, tasks.length, canUndo]).toEqual(['base', 2, null]);
  });
});

describe('taskVectors', () => {
  it('measures what fits the base, tells its progress, and remembers', async () => {
    const { client, folder } = await hostWithProject();
    const listen = async () => {
      const updates = [];
      for await (const update of await client.project.taskVectors()) updates.push(update);
      return updates;
    };
    const updates = await listen();
    const report = updates.at(-1)!;
    expect(updates.length).toBeGreaterThan(2);
    const open = (name: string) => openCheckpoint(join(folder, 'models', name));
    const measured = await measureTaskVectors(await open('base'), [
      await open('digits'),
      await open('shapes'),
    ]);
    expect(report).toMatchObject({
      type: 'report',
      tasks: ['digits', 'shapes'],
      norms: measured.whole.experts,
      layers: ['embeddings', 'layer 0', 'output'],
      cosine: measured.cosines,
    });
    if (report.type !== 'report') throw new Error('no report');
    // Squares of the layers add up to the square of the whole.
    report.layerNorms.forEach((layers, k) => {
      expect(Math.hypot(...layers)).toBeCloseTo(report.norms[k]!, 9);
    });
    expect(await listen()).toEqual([report]);
    await writeFile(join(folder, 'models/digits/model.safetensors'), 'changed');
    expect((await listen()).at(-1)).toMatchObject({ tasks: ['shapes'] });
  });
});

describe('tiles', () => {
  it('are the pixels of the images, in the order asked for', async () => {
    const { client, folder } = await hostWithProject();
    const { size, count, pixels } = await client.project.tiles({ task: 'digits', images: [4, 0] });
    expect([size, count]).toEqual([8, 2]);
    const { data, info } = await sharp(join(folder, 'data/digits.png'))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    // Image 4 is the second of the second row of three.
    const tile = (column: number, row: number) =>
      Array.from({ length: 8 }, (_, y) => {
        const from = ((row * 8 + y) * info.width + column * 8) * 3;
        return [...data.subarray(from, from + 24)];
      }).flat();
    expect([...Buffer.from(pixels, 'base64')]).toEqual([...tile(1, 1), ...tile(0, 0)]);
  });

  it('can be corrupted as a run would corrupt them', async () => {
    const { client } = await hostWithProject();
    const { size, pixels } = await client.project.tiles({ task: 'digits', images: [4, 0] });
    const corruption = { kind: 'contrast', severity: 5, constants: 'by-size', seed: 3 } as const;
    const dull = await client.project.tiles({ task: 'digits', images: [4, 0], corruption });
    const clean = new Uint8Array(Buffer.from(pixels, 'base64'));
    const bytes = clean.length / 2;
    const wanted = await corruptImage(clean.slice(bytes), size, corruption, {
      seed: 3,
      task: 'digits',
      index: 0,
    });
    const found = new Uint8Array(Buffer.from(dull.pixels, 'base64'));
    expect(found.slice(bytes)).toEqual(wanted);
    expect(found).not.toEqual(clean);
    const unknown = { ...corruption, kind: 'fog' };
    await expectFailed(
      client.project.tiles({ task: 'digits', images: [0], corruption: unknown }),
      'recipe.invalid',
    );
  });

  it('refuses images that are not there', async () => {
    const { client } = await hostWithProject();
    await expectFailed(client.project.tiles({ task: 'digits', images: [7] }), 'data.invalid');
    await expectFailed(client.project.tiles({ task: 'none', images: [0] }), 'project.no_task');
  });
});
