/** Tasks whose images are files: chosen, described, shown as tiles, in a draft's estimate. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { redOf, writeIdx, writePictures } from '../../support/image-sets.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { expectFailed, hostWithProject } from './support.ts';

const parquet = fileURLToPath(new URL('../../golden/parquet/hub.parquet', import.meta.url));
vi.stubEnv('XDG_CACHE_HOME', await temporaryFolder());

describe('the images of a task', () => {
  it('may be a folder of class folders, with tiles', async () => {
    const { client, folder, handle } = await hostWithProject();
    const paths = ['ant/1.png', 'ant/2.png', 'bee/1.png', 'cat/1.png'];
    await writePictures(join(folder, 'pictures'), paths);
    const given = { task: 'shapes', data: handle(join(folder, 'pictures')) };
    const overview = await client.project.setTask(given);
    expect(overview.tasks[1]).toMatchObject({
      dataProblem: null,
      headProblem: null,
      data: {
        kind: 'image folder',
        location: 'pictures',
        images: 4,
        classNames: ['ant', 'bee', 'cat'],
        classCounts: [2, 1, 1],
        classExamples: [0, 2, 3],
      },
    });
    const tiles = await client.project.tiles({ task: 'shapes', images: [3, 1] });
    expect(tiles).toMatchObject({ size: 64, count: 2 });
    const pixels = Buffer.from(tiles.pixels, 'base64');
    expect(pixels).toHaveLength(2 * 64 * 64 * 3);
    expect([pixels[0], pixels[64 * 64 * 3]]).toEqual([redOf(3), redOf(1)]);
    await expectFailed(client.project.tiles({ task: 'shapes', images: [4] }), 'data.invalid');
  });

  it('may be a Parquet or IDX file', async () => {
    const { client, folder, handle } = await hostWithProject();
    await mkdir(join(folder, 'hub'));
    await copyFile(parquet, join(folder, 'hub', 'test.parquet'));
    const hub = await client.project.setTask({
      task: 'shapes',
      data: handle(join(folder, 'hub', 'test.parquet')),
    });
    expect(hub.tasks[1]?.data).toMatchObject({
      kind: 'Parquet',
      images: 7,
      classCounts: [3, 2, 2],
    });
    const path = await writeIdx(join(folder, 'idx'), [5, 6, 7, 8], [0, 1, 2, 3]);
    const idx = await client.project.setTask({ task: 'digits', data: handle(path) });
    expect(idx.tasks[0]?.data).toMatchObject({ kind: 'IDX', classNames: ['0', '1', '2', '3'] });
  });

  it('may be others to adapt to than to measure on, and the same again', async () => {
    const { client, folder, handle } = await hostWithProject();
    await writePictures(join(folder, 'others'), ['x/1.png', 'y/2.png', 'y/3.png']);
    const others = handle(join(folder, 'others'));
    const given = await client.project.setTask({ task: 'shapes', unlabelled: others });
    expect(given.tasks[1]).toMatchObject({
      // Their classes need not be those of the head.
      headProblem: null,
      unlabelled: { kind: 'image folder', location: 'others', images: 3 },
      unlabelledProblem: null,
    });
    const missing = handle(join(folder, 'nothing'));
    const wrong = await client.project.setTask({ task: 'shapes', unlabelled: missing });
    expect(wrong.tasks[1]).toMatchObject({ unlabelled: null, dataProblem: null });
    expect(wrong.tasks[1]?.unlabelledProblem).not.toBeNull();
    const { findings } = await client.merge.plan(await client.merge.draft({ run: null }));
    expect(findings.map(({ failure }) => failure)).toContainEqual(
      wrong.tasks[1]?.unlabelledProblem,
    );
    const same = await client.project.setTask({ task: 'shapes', unlabelled: null });
    expect(same.tasks[1]).toMatchObject({ unlabelled: null, unlabelledProblem: null });
  });

  it('that cannot be read are a problem of the task, and nothing else', async () => {
    const { client, folder, handle } = await hostWithProject();
    await writePictures(join(folder, 'pictures'), ['train/1.png', 'test/1.png']);
    const data = handle(join(folder, 'pictures'));
    const overview = await client.project.setTask({ task: 'shapes', data });
    expect(overview.tasks[1]).toMatchObject({
      data: null,
      dataProblem: { code: 'data.unrecognised', where: join(folder, 'pictures') },
    });
    expect(overview.tasks[0]?.dataProblem).toBeNull();
  });

  it('may be of another number of classes than the head: it says so', async () => {
    const { client, folder, handle } = await hostWithProject();
    await writePictures(join(folder, 'pictures'), ['a/1.png', 'b/1.png']);
    const data = handle(join(folder, 'pictures'));
    const overview = await client.project.setTask({ task: 'shapes', data });
    expect(overview.tasks[1]?.headProblem).toMatchObject({ code: 'model.shape_mismatch' });
  });
});
