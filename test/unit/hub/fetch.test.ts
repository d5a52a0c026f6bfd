/** Fetching models from a stand-in of the Hub: what arrives, and what is there already. */
import { lstat, mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, describe } from 'vitest';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { findSnapshot, placeFile, referenceOf } from '../../../main/hub/cache.ts';
import { assess, fetchModels, type FetchProgress } from '../../../main/hub/fetch.ts';
import { requireHubName } from '../../../main/hub/name.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { filesIn, gitSha1Of, sha256Of } from '../../support/hub-server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { writeLlama } from '../../support/tiny-llama.ts';
import { blobs, folderName, model, stage, weightFile } from './support.ts';

describe('a download', () => {
  it('is laid out as Python lays it out, and opens', async () => {
    const on = await stage();
    const [fetched] = await on.fetch([model]);
    const snapshot = join(on.cache, folderName, 'snapshots', on.commit);
    expect(fetched?.path).toBe(snapshot);
    expect((await readdir(snapshot)).sort()).toEqual(['config.json', weightFile, 'tokenizer.json']);
    expect(await readFile(join(on.cache, folderName, 'refs/main'), 'utf8')).toBe(on.commit);
    expect(await readlink(join(snapshot, weightFile))).toBe(`../../blobs/${sha256Of(on.weights)}`);
    const config = await readFile(join(snapshot, 'config.json'));
    expect(await readlink(join(snapshot, 'config.json'))).toBe(`../../blobs/${gitSha1Of(config)}`);
    expect(await blobs(on)).toHaveLength(3);
    const opened = await openCheckpoint(snapshot);
    expect(opened.tensors.size).toBeGreaterThan(10);
    await opened.close();
  });

  it('is as large as was said before, and says how far it is', async () => {
    const on = await stage();
    const client = on.client();
    const [needs] = await assess(client, [requireHubName(model)]);
    const small = [...(await filesIn(on.cache)).values()];
    expect(small).toEqual([]);
    expect(needs?.missing.map(({ name }) => name)).toEqual([
      'config.json',
      'tokenizer.json',
      weightFile,
    ]);
    expect(on.server.requests).toHaveLength(1);
    const told: FetchProgress[] = [];
    await fetchModels(client, [needs!], { onProgress: (progress) => told.push(progress) });
    const last = told.at(-1);
    expect(last).toMatchObject({ done: needs?.missingBytes, total: needs?.missingBytes });
    const snapshot = join(on.cache, folderName, 'snapshots', on.commit);
    const sizes = [...(await filesIn(snapshot)).values()].map(({ byteLength }) => byteLength);
    expect(needs?.totalBytes).toBe(sizes.reduce((a, b) => a + b, 0));
    const dones = told.map(({ done }) => done);
    expect(dones).toEqual(dones.toSorted((a, b) => a - b));
    expect(told.some(({ current }) => current.includes(`${model} ${weightFile}`))).toBe(true);
  });

  it('asks for nothing that is there', async () => {
    const on = await stage();
    await on.fetch([model]);
    const before = on.server.requests.length;
    // A branch may have moved; a commit cannot.
    const [again] = await on.fetch([`${model}@${on.commit}`]);
    expect(on.server.requests).toHaveLength(before);
    expect(again?.commit).toBe(on.commit);
    await on.fetch([model]);
    expect(on.server.requests).toHaveLength(before + 1);
  });

  it('of a newer commit takes only what changed', async () => {
    const on = await stage();
    await on.fetch([model]);
    const files = await filesIn(join(on.cache, folderName, 'snapshots', on.commit));
    files.set('tokenizer.json', Buffer.from('{"version":"2.0"}'));
    const newer = on.server.add(model, files);
    const [needs] = await assess(on.client(), [requireHubName(model)]);
    expect(needs?.missing.map(({ name }) => name)).toEqual(['tokenizer.json']);
    const [fetched] = await on.fetch([model]);
    expect(fetched?.commit).toBe(newer);
    expect(findSnapshot(on.cache, requireHubName(`${model}@${on.commit}`))).toBeDefined();
  });

  it('of shards takes those of the index, and they open', async () => {
    const on = await stage();
    const folder = await temporaryFolder();
    await writeLlama(folder, { key: 'shards' });
    const whole = await readFile(join(folder, weightFile));
    const config = await readFile(join(folder, 'config.json'));
    const names = [...(await openCheckpoint(folder)).tensors.keys()];
    const shard = 'model-00001-of-00001.safetensors';
    const weight_map = Object.fromEntries(names.map((name) => [name, shard]));
    on.server.add(
      'tiny/sharded',
      new Map([
        ['config.json', config],
        [shard, whole],
        ['model-00001-of-00002.bin', Buffer.from('of another format')],
        ['model.safetensors.index.json', Buffer.from(JSON.stringify({ weight_map }))],
      ]),
    );
    const [fetched] = await on.fetch(['tiny/sharded']);
    expect(await readdir(fetched!.path)).toHaveLength(3);
    const opened = await openCheckpoint(fetched!.path);
    expect([...opened.tensors.keys()].sort()).toEqual(names.sort());
    await opened.close();
  });

  it('follows a model that was renamed', async () => {
    const on = await stage();
    on.server.fail('/api/models/old/name', {
      kind: 'redirect',
      to: `/api/models/${model}/revision/main?blobs=true`,
    });
    const [needs] = await assess(on.client(), [requireHubName('old/name')]);
    expect(needs?.commit).toBe(on.commit);
  });
});

describe('the cache', () => {
  it('that Python filled is used without a network, links and all', async () => {
    const on = await stage();
    await on.fetch([model]);
    const offline = on.client({}, { HF_HUB_OFFLINE: '1' });
    const before = on.server.requests.length;
    const [found] = await on.fetch([model], {}, offline);
    expect(found?.commit).toBe(on.commit);
    expect(on.server.requests).toHaveLength(before);
    expect(referenceOf(on.cache, found!.path)).toBe(`hub:${model}@${on.commit}`);
  });

  it('that lacks a model says so where nothing may be downloaded', async () => {
    const on = await stage();
    const offline = on.client({ offline: 'it was asked to' });
    const failure = await expectFailure(on.fetch([model], {}, offline), 'hub.offline');
    expect(failure.what).toContain(model);
    expect(failure.what).toContain('it was asked to');
    expect(on.server.requests).toEqual([]);
  });

  it('that lost a content is filled again', async () => {
    const on = await stage();
    const [fetched] = await on.fetch([model]);
    const hash = sha256Of(on.weights);
    await rm(join(on.cache, folderName, 'blobs', hash));
    expect((await lstat(join(fetched!.path, weightFile))).isSymbolicLink()).toBe(true);
    expect(findSnapshot(on.cache, requireHubName(model))).toBeUndefined();
    await on.fetch([`${model}@${on.commit}`]);
    expect(await readFile(join(fetched!.path, weightFile))).toEqual(on.weights);
  });

  it('has the files themselves where links are not allowed, as on Windows', async () => {
    const folder = await temporaryFolder();
    const [blob, snapshot] = [join(folder, 'blobs/1'), join(folder, 'snapshots/2')];
    await mkdir(join(folder, 'blobs'));
    await writeFile(blob, 'content');
    const refuse = () => Promise.reject(Object.assign(new Error('no'), { code: 'EPERM' }));
    for (const time of ['first', 'second']) {
      await placeFile(snapshot, 'a.json', blob, refuse);
      expect(await readFile(join(snapshot, 'a.json'), 'utf8'), time).toBe('content');
    }
    expect((await lstat(join(snapshot, 'a.json'))).isFile()).toBe(true);
    expect((await lstat(blob)).nlink).toBe(2);
  });

  it('without links, as on Windows, is read all the same', async () => {
    const on = await stage();
    const snapshot = join(on.cache, folderName, 'snapshots', on.commit);
    await mkdir(snapshot, { recursive: true });
    await writeFile(join(snapshot, weightFile), on.weights);
    const [needs] = await assess(on.client(), [requireHubName(model)]);
    expect(needs?.missing.map(({ name }) => name)).toEqual(['config.json', 'tokenizer.json']);
    await on.fetch([model]);
    expect((await lstat(join(snapshot, weightFile))).isSymbolicLink()).toBe(false);
  });
});

it('the disk is asked for room before anything is downloaded', async () => {
  const on = await stage();
  const client = on.client();
  const [needs] = await assess(client, [requireHubName(model)]);
  const huge = { ...needs!, missingBytes: 1e18 };
  const before = on.server.requests.length;
  await expectFailure(fetchModels(client, [huge]), 'file.disk_full');
  expect(on.server.requests).toHaveLength(before);
});
