/** What is not the file that was asked for, and who may have it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, describe } from 'vitest';
import { findSnapshot } from '../../../main/hub/cache.ts';
import { type FetchProgress } from '../../../main/hub/fetch.ts';
import { requireHubName } from '../../../main/hub/name.ts';
import { Token } from '../../../main/hub/token.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { goodToken, sha256Of, type Fault } from '../../support/hub-server.ts';
import { blobs, folderName, model, ranges, stage, weightFile } from './support.ts';

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
