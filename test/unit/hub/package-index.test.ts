import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { HubClient } from '../../../main/hub/client.ts';
import { indexSettings } from '../../../main/hub/index-settings.ts';
import { listIndexFiles, remoteSize, subjectOf } from '../../../main/hub/package-index.ts';
import { hubSettings } from '../../../main/hub/settings.ts';
import type { Login } from '../../../main/hub/token.ts';
import { startPackageIndex } from '../../support/package-index.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { impatient } from './support.ts';

const index = await startPackageIndex();
const content = Buffer.from('content of a wheel');
index.projects.set(
  'thing',
  new Map([
    ['thing-1.0-py3-none-any.whl', content],
    ['thing-2.0+a b-py3-none-any.whl', content],
    ['thing-3.0-py3-none-yanked.whl', content],
  ]),
);
afterAll(() => index.close());
beforeEach(() => (index.requests.length = 0));

const clientOf = (env: Readonly<Record<string, string>>): HubClient =>
  new HubClient(indexSettings(hubSettings({ patience: impatient }, env), env));
const client = clientOf({ PIP_INDEX_URL: `${index.endpoint}/` });

describe('an index of packages', () => {
  it.each(['json', 'html'] as const)(
    'lists files as %s, without those taken back',
    async (form) => {
      index.form = form;
      const files = await listIndexFiles(client, 'thing');
      expect(files.map(({ name }) => name)).toEqual([
        'thing-1.0-py3-none-any.whl',
        'thing-2.0+a b-py3-none-any.whl',
      ]);
      expect(files.map(({ size }) => size)).toEqual(
        form === 'json' ? [content.length, content.length] : [undefined, undefined],
      );
      const [, second] = files;
      expect(second?.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(second?.address.hash).toBe('');
      const subject = subjectOf(client, 'a wheel');
      expect(await remoteSize(client, second!.address, subject)).toBe(content.length);
    },
  );

  it('words what it refuses without speaking of models', async () => {
    await expect(listIndexFiles(client, 'nothing')).rejects.toMatchObject({
      code: 'hub.not_found',
      what: 'the package nothing was not given (404)',
    });
  });

  it('is asked nothing while the network is switched off', async () => {
    const offline = clientOf({ PIP_INDEX_URL: index.endpoint, HF_HUB_OFFLINE: '1' });
    await expect(listIndexFiles(offline, 'thing')).rejects.toMatchObject({ code: 'hub.offline' });
    expect(index.requests).toEqual([]);
  });
});

describe('where the index is', () => {
  const addressWith = (env: Readonly<Record<string, string>>): string =>
    clientOf(env).settings.endpoint.href;

  it('is the public one where pip was told nothing else', async () => {
    const HOME = await temporaryFolder();
    expect(addressWith({ HOME, PIP_CONFIG_FILE: '/dev/null' })).toBe('https://pypi.org/simple');
  });

  it('is what pip’s file says, and the variable before it', async () => {
    const HOME = await temporaryFolder();
    await mkdir(join(HOME, 'named'));
    const file = join(HOME, 'named', 'pip.conf');
    await writeFile(
      file,
      '[global]\ntimeout = 60\nindex-url = https://mirror.example/simple/\n[freeze]\nindex-url = https://wrong.example/\n',
    );
    const env = { HOME, PIP_CONFIG_FILE: file };
    expect(addressWith(env)).toBe('https://mirror.example/simple');
    expect(addressWith({ ...env, PIP_INDEX_URL: 'https://other.example/simple' })).toBe(
      'https://other.example/simple',
    );
  });

  it('may hold a name and a password, which nothing shows', () => {
    const { settings } = clientOf({ PIP_INDEX_URL: 'https://me:s%40cret@mirror.example/simple' });
    expect(settings.token?.authorization).toBe(
      `Basic ${Buffer.from('me:s@cret').toString('base64')}`,
    );
    const shown = `${inspect(settings, { depth: 9 })} ${JSON.stringify(settings)} ${(settings.token as Login).toString()}`;
    expect(shown).not.toMatch(/s@cret|s%40cret/);
  });

  it('must be an address', () => {
    expect(() => addressWith({ PIP_INDEX_URL: 'my mirror' })).toThrow(
      expect.objectContaining({ code: 'hub.setting_invalid' }) as Error,
    );
  });
});
