/** Downloads that break off, are cancelled, or were begun by another process. */
import { spawnSync } from 'node:child_process';
import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, describe } from 'vitest';
import { assess, fetchModels, type FetchProgress } from '../../../main/hub/fetch.ts';
import { requireHubName } from '../../../main/hub/name.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { sha256Of, type Fault } from '../../support/hub-server.ts';
import {
  blobs,
  folderName,
  impatient,
  model,
  ranges,
  stage,
  weightFile,
  type Stage,
} from './support.ts';

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
