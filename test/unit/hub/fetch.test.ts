/** Fetching models from a stand-in of the Hub, whatever the network does. */
import { spawnSync } from 'node:child_process';
import { lstat, mkdir, readdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, describe } from 'vitest';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { findSnapshot, placeFile, referenceOf } from '../../../main/hub/cache.ts';
import { assess, fetchModels, type FetchProgress } from '../../../main/hub/fetch.ts';
import { requireHubName } from '../../../main/hub/name.ts';
import { Token } from '../../../main/hub/token.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { filesIn, gitSha1Of, goodToken, sha256Of, type Fault } from '../../support/hub-server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { writeLlama } from '../../support/tiny-llama.ts';
import { impatient, model, stage, type Stage } from './support.ts';

const folderName = 'models--tiny--llama';
const weightFile = 'model.safetensors';

function ranges({ server }: Stage): (string | undefined)[] {
  return server.requests.filter(({ host }) => host === 'store').map(({ range }) => range);
}

/** The names of contents and unfinished downloads. */
async function blobs({ cache }: Stage): Promise<string[]> {
  return (await readdir(join(cache, folderName, 'blobs')).catch(() => [])).sort();
}

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

describe('what goes wrong on the way is gone on with', () => {
  const passing: [title: string, fault: Fault][] = [
    ['a cut connection', { kind: 'cut', after: 4000 }],
    ['silence', { kind: 'silence', after: 4000 }],
    ['500', { kind: 'status', status: 500 }],
    ['503 with a time to wait', { kind: 'status', status: 503, headers: { 'retry-after': '0' } }],
    ['429', { kind: 'status', status: 429 }],
  ];
  it.each(passing)('%s', async (_title, fault) => {
    const on = await stage();
    on.server.fail(sha256Of(on.weights), fault, fault);
    const patience = { ...impatient, ...(fault.kind === 'silence' ? { stallMs: 100 } : {}) };
    const [fetched] = await on.fetch([model], {}, on.client({ patience }));
    expect(await readFile(join(fetched!.path, weightFile))).toEqual(on.weights);
    expect(ranges(on)).toHaveLength(3);
    const first = fault.kind === 'status' ? undefined : 'bytes=4000-';
    expect(ranges(on)[1]).toBe(first);
    expect(await blobs(on)).toHaveLength(3);
  });

  it('a slow link, as long as something comes', async () => {
    const on = await stage();
    const piece = Math.ceil(on.weights.length / 20);
    on.server.fail(sha256Of(on.weights), { kind: 'slow', piece, pauseMs: 20 });
    const [fetched] = await on.fetch([model]);
    expect(await readFile(join(fetched!.path, weightFile))).toEqual(on.weights);
    expect(ranges(on)).toHaveLength(1);
  });

  it('a server that ignores ranges begins again', async () => {
    const on = await stage();
    on.server.fail(sha256Of(on.weights), { kind: 'cut', after: 4000 }, { kind: 'range ignored' });
    const told: FetchProgress[] = [];
    const [fetched] = await on.fetch([model], { onProgress: (progress) => told.push(progress) });
    expect(await readFile(join(fetched!.path, weightFile))).toEqual(on.weights);
    expect(told.at(-1)?.done).toBe(told.at(-1)?.total);
  });

  it('many cuts, as long as each attempt gets further', async () => {
    const on = await stage();
    const cuts = Array.from({ length: 12 }, (): Fault => ({ kind: 'cut', after: 1000 }));
    on.server.fail(sha256Of(on.weights), ...cuts);
    await on.fetch([model]);
    expect(ranges(on)).toHaveLength(13);
  });

  it('the same failure again and again ends in its error, and the next attempt goes on', async () => {
    const on = await stage();
    const cut: Fault = { kind: 'cut', after: 4000 };
    const nothing: Fault = { kind: 'cut', after: 0 };
    on.server.fail(sha256Of(on.weights), cut, nothing, nothing, nothing);
    const failure = await expectFailure(on.fetch([model]), 'hub.unreachable');
    expect(failure.message).not.toContain('signature');
    const snapshot = join(on.cache, folderName, 'snapshots');
    expect(await readdir(snapshot).catch(() => [])).toEqual([]);
    const before = ranges(on).length;
    const [needs] = await assess(on.client(), [requireHubName(model)]);
    expect(needs?.begunBytes).toBe(4000);
    const [fetched] = await on.fetch([model]);
    expect(ranges(on).slice(before)).toEqual(['bytes=4000-']);
    expect(await readFile(join(fetched!.path, weightFile))).toEqual(on.weights);
    expect(await blobs(on)).toHaveLength(3);
  });

  it('a server that always fails is said to', async () => {
    const on = await stage();
    const fault: Fault = { kind: 'status', status: 500 };
    on.server.fail('/api/models', fault, fault, fault, fault);
    await expectFailure(on.fetch([model]), 'hub.server_failed');
    expect(on.server.requests).toHaveLength(4);
  });

  it('an answer shorter than its own length', async () => {
    const on = await stage();
    const files = new Map([
      ['config.json', Buffer.from('{}')],
      [weightFile, on.weights],
    ]);
    on.server.add('tiny/short', files);
    const [needs] = await assess(on.client(), [requireHubName('tiny/short')]);
    // The listing promises more than there is.
    const longer = needs!.missing.map((file) => ({ ...file, size: file.size + 1 }));
    const wrong = { ...needs!, missing: longer.slice(1) };
    await expectFailure(fetchModels(on.client(), [wrong]), 'hub.answer_invalid');
    on.server.fail(
      'config.json',
      { kind: 'body', text: '' },
      { kind: 'body', text: '' },
      { kind: 'body', text: '' },
      { kind: 'body', text: '' },
    );
    await expectFailure(fetchModels(on.client(), [needs!]), 'hub.interrupted');
  });
});

describe('bytes that are not the file', () => {
  it('are thrown away and said to be wrong', async () => {
    const on = await stage();
    on.server.fail(sha256Of(on.weights), { kind: 'flipped byte' });
    const failure = await expectFailure(on.fetch([model]), 'hub.checksum_mismatch');
    expect(failure.what).toContain(weightFile);
    const left = (await blobs(on)).filter((name) => name.startsWith(sha256Of(on.weights)));
    expect(left).toEqual([]);
    expect(findSnapshot(on.cache, requireHubName(model))).toBeUndefined();
    await on.fetch([model]);
  });

  it('left by an earlier attempt cost a second download, not an error', async () => {
    const on = await stage();
    const controller = new AbortController();
    on.server.fail(sha256Of(on.weights), { kind: 'silence', after: 4000 });
    const stopAt4000 = ({ done }: FetchProgress) => {
      if (done >= 4000) controller.abort();
    };
    await expect(
      on.fetch([model], { signal: controller.signal, onProgress: stopAt4000 }),
    ).rejects.toBeInstanceOf(CancelledError);
    const [partial] = (await blobs(on)).filter((name) => name.endsWith('.part'));
    const path = join(on.cache, folderName, 'blobs', partial!);
    const kept = (await readFile(path)).length;
    expect(kept).toBeGreaterThanOrEqual(4000);
    await writeFile(path, Buffer.alloc(kept));
    const [fetched] = await on.fetch([model]);
    expect(await readFile(join(fetched!.path, weightFile))).toEqual(on.weights);
    expect(ranges(on).slice(1)).toEqual([`bytes=${kept}-`, undefined]);
  });

  it.each<[string, Fault]>([
    ['more than the file', { kind: 'more bytes' }],
    ['another part', { kind: 'another part' }],
  ])('%s', async (_title, fault) => {
    const on = await stage();
    on.server.fail(sha256Of(on.weights), fault);
    await expectFailure(on.fetch([model]), 'hub.answer_invalid');
    await on.fetch([model]);
  });

  it('another file under the same name', async () => {
    const on = await stage();
    on.server.fail(`resolve/${on.commit}/${weightFile}`, {
      kind: 'headers',
      headers: { 'x-linked-etag': `"${'0'.repeat(64)}"` },
    });
    await expectFailure(on.fetch([model]), 'hub.answer_invalid');
    expect(ranges(on)).toHaveLength(1);
  });

  it.each(['no json', '{"sha":"main","siblings":[]}', '{"siblings":null}'])(
    'a description that is none: %s',
    async (text) => {
      const on = await stage();
      on.server.fail('/api/models', { kind: 'body', text });
      await expectFailure(on.fetch([model]), 'hub.answer_invalid');
    },
  );

  it('a repository without weights', async () => {
    const on = await stage();
    on.server.add('tiny/data', new Map([['train.parquet', Buffer.from('x')]]));
    const failure = await expectFailure(on.fetch(['tiny/data']), 'hub.no_weights');
    expect(failure.where).toContain('train.parquet');
  });
});

describe('cancelled', () => {
  it('at once, keeping what is there, and the next attempt goes on', async () => {
    const on = await stage();
    on.server.fail(sha256Of(on.weights), { kind: 'silence', after: 5000 });
    const controller = new AbortController();
    const work = on.fetch([model], {
      signal: controller.signal,
      onProgress: ({ done }) => done >= 5000 && controller.abort(),
    });
    await expect(work).rejects.toBeInstanceOf(CancelledError);
    const [fetched] = await on.fetch([model]);
    expect(ranges(on).at(-1)).toMatch(/^bytes=\d{4}-$/);
    expect(await readFile(join(fetched!.path, weightFile))).toEqual(on.weights);
  });

  it('before anything was sent', async () => {
    const on = await stage();
    await expect(on.fetch([model], { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(
      CancelledError,
    );
    expect(on.server.requests).toEqual([]);
  });
});

describe('what another process has begun', () => {
  /** Breaks a download off, and gives what is left of it to another process. */
  async function leftBy(pid: number): Promise<{ on: Stage; partial: string }> {
    const on = await stage();
    on.server.fail(sha256Of(on.weights), { kind: 'silence', after: 5000 });
    const controller = new AbortController();
    const work = on.fetch([model], {
      signal: controller.signal,
      onProgress: ({ done }) => done >= 5000 && controller.abort(),
    });
    await expect(work).rejects.toBeInstanceOf(CancelledError);
    const folder = join(on.cache, folderName, 'blobs');
    const [own] = (await blobs(on)).filter((name) => name.endsWith('.part'));
    const partial = own!.replace(`-${process.pid}-`, `-${pid}-`);
    await rename(join(folder, own!), join(folder, partial));
    return { on, partial };
  }

  it('is gone on with when that process has ended', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    const { on } = await leftBy(pid);
    await on.fetch([model]);
    expect(ranges(on).at(-1)).toMatch(/^bytes=\d{4}-$/);
    expect(await blobs(on)).toHaveLength(3);
  });

  it('is left alone while it lives', async () => {
    const { on, partial } = await leftBy(process.ppid);
    await on.fetch([model]);
    expect(ranges(on).at(-1)).toBeUndefined();
    expect(await blobs(on)).toContain(partial);
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

describe('who may', () => {
  const gated: [
    access: 'gated' | 'private',
    token: string | undefined,
    code: 'hub.unauthorized' | 'hub.not_found' | undefined,
  ][] = [
    ['gated', undefined, 'hub.unauthorized'],
    ['gated', 'hf_wrong', 'hub.unauthorized'],
    ['gated', goodToken, undefined],
    ['private', undefined, 'hub.not_found'],
    ['private', goodToken, undefined],
  ];
  it.each(gated)('a %s model with the token %s', async (access, token, code) => {
    const on = await stage();
    on.server.restrict(model, access);
    const client = on.client(token === undefined ? {} : { token: new Token(token) });
    const work = on.fetch([model], {}, client);
    if (code === undefined) await work;
    else {
      const failure = await expectFailure(work, code);
      expect(JSON.stringify([failure, failure.message, failure.failure])).not.toContain('hf_');
    }
    const seen = on.server.requests.filter(({ host }) => host === 'store');
    expect(seen.every(({ authorization }) => authorization === undefined)).toBe(true);
    if (token !== undefined) {
      const asked = on.server.requests.filter(({ host }) => host === 'hub');
      expect(asked.every(({ authorization }) => authorization === `Bearer ${token}`)).toBe(true);
    }
  });

  const refused: [
    Fault,
    'hub.forbidden' | 'hub.not_found' | 'hub.no_revision' | 'hub.answer_invalid',
  ][] = [
    [{ kind: 'status', status: 403 }, 'hub.forbidden'],
    [{ kind: 'status', status: 403, headers: { 'x-error-code': 'GatedRepo' } }, 'hub.forbidden'],
    [{ kind: 'status', status: 404 }, 'hub.not_found'],
    [
      { kind: 'status', status: 404, headers: { 'x-error-code': 'RevisionNotFound' } },
      'hub.no_revision',
    ],
    [{ kind: 'status', status: 418 }, 'hub.answer_invalid'],
    [{ kind: 'redirect', to: 'ftp://elsewhere/' }, 'hub.answer_invalid'],
    [{ kind: 'status', status: 302 }, 'hub.answer_invalid'],
  ];
  it.each(refused)('%j', async (fault, code) => {
    const on = await stage();
    on.server.fail('/api/models', fault);
    await expectFailure(on.fetch([model]), code);
    expect(on.server.requests).toHaveLength(1);
  });

  it('no model, and no revision, of that name', async () => {
    const on = await stage();
    const missing = await expectFailure(on.fetch(['tiny/lama']), 'hub.not_found');
    expect(missing.what).toContain('tiny/lama');
    await expectFailure(on.fetch([`${model}@${'1'.repeat(40)}`]), 'hub.no_revision');
  });

  it('no host', async () => {
    const on = await stage();
    await on.server.close();
    const failure = await expectFailure(on.fetch([model]), 'hub.unreachable');
    expect(failure.what).toContain('127.0.0.1');
    expect(failure.what).toContain('ECONNREFUSED');
  });

  it('endless redirects', async () => {
    const on = await stage();
    const loop: Fault = { kind: 'redirect', to: `/api/models/${model}/revision/main?blobs=true` };
    on.server.fail('/api/models', loop, loop, loop, loop, loop, loop);
    await expectFailure(on.fetch([model]), 'hub.answer_invalid');
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
