/** mergewright hub, against a stand-in of the Hub; and a mergekit file with names of the Hub. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { commands } from '../../../main/cli/commands/index.ts';
import { runProgram } from '../../../main/cli/main.ts';
import { saveSettings } from '../../../main/hub/saved-settings.ts';
import { filesIn, goodToken, startHubServer, type HubServer } from '../../support/hub-server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { writeLlama } from '../../support/tiny-llama.ts';

let folder: string;
let server: HubServer;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startHubServer();
  for (const key of ['base', 'math', 'code']) {
    await writeLlama(join(folder, key), { key });
    server.add(`tiny/${key}`, await filesIn(join(folder, key)));
  }
  server.restrict('tiny/code', 'gated');
});
afterAll(() => server.close());

beforeEach(() => {
  vi.stubEnv('HF_ENDPOINT', server.endpoint);
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'cache'));
  vi.stubEnv('HF_HOME', join(folder, 'home'));
  vi.stubEnv('HF_TOKEN', goodToken);
  vi.stubEnv('HF_HUB_OFFLINE', '');
  vi.stubEnv('MERGEWRIGHT_USER_DATA', join(folder, 'settings'));
  server.requests.length = 0;
});
afterEach(() => {
  vi.unstubAllEnvs();
});

async function call(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await runProgram(words, {
    commands,
    version: '',
    stdout: { columns: 100, write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: {},
    signal: new AbortController().signal,
  });
  expect(out + err).not.toContain(goodToken);
  return { code, out, err };
}

it('lists the collections without asking anybody', async () => {
  const { code, out } = await call('hub', 'list');
  expect(code).toBe(0);
  expect(out).toMatch(
    /clip-vit-base-patch32-8 +CLIP ViT-B\/32, 8 tasks +about 3\.40 GB +0 of 9 here/,
  );
  expect(out).toContain(join(folder, 'cache'));
  expect(server.requests).toEqual([]);
});

it('says the size of what is missing, and downloads nothing by that', async () => {
  const { out } = await call('hub', 'size', 'tiny/base', 'hub:tiny/math', 'tiny/base');
  expect(out).toMatch(/tiny\/base@[0-9a-f]{40} +[\d.]+ kB +[\d.]+ kB missing/);
  expect(out).toMatch(/To download: [\d.]+ kB/);
  expect(server.requests.map(({ path }) => path.split('?')[0])).toEqual([
    '/api/models/tiny/base/revision/main',
    '/api/models/tiny/math/revision/main',
  ]);
});

it('downloads after it has said how much, and once', async () => {
  const { code, out, err } = await call('hub', 'get', 'tiny/base', 'tiny/math', '--json');
  expect(code, err).toBe(0);
  expect(err).toMatch(/[\d.]+ kB to download for tiny\/base, tiny\/math/);
  const { models } = JSON.parse(out) as { models: { path: string; reference: string }[] };
  const written = await readFile(join(models[0]!.path, 'model.safetensors'));
  expect(written).toEqual(await readFile(join(folder, 'base', 'model.safetensors')));
  expect(server.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
  server.requests.length = 0;
  const offline = await call('hub', 'get', models[0]!.reference, '--offline');
  expect(offline.out).toContain(models[0]!.path);
  expect(server.requests).toEqual([]);
});

it('uses a token only where it was told to', async () => {
  const refused = await call('hub', 'get', 'tiny/code');
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('error[hub.unauthorized]');
  const allowed = await call('hub', 'get', 'tiny/code', '--token', 'env');
  expect(allowed.code, allowed.err).toBe(0);
});

it('refuses when the setting says so', async () => {
  await saveSettings({ network: 'offline', endpoint: null });
  const { code, err } = await call('hub', 'size', 'tiny/base@nothing');
  await saveSettings({ network: 'ask', endpoint: null });
  expect(code).toBe(1);
  expect(err).toContain('error[hub.offline]');
  expect(err).toContain('settings');
  expect(server.requests).toEqual([]);
});

it('says what is wrong with a name', async () => {
  expect((await call('hub', 'get', 'clip-vit-base-patch32')).err).toContain('hub.unknown_preset');
  expect((await call('hub', 'get', 'tiny/nobody')).err).toContain('hub.not_found');
  expect((await call('hub', 'get', '../x')).err).toContain('hub.name_invalid');
  expect((await call('hub', 'fetch', 'x')).code).toBe(2);
  expect((await call('hub', 'get')).code).toBe(2);
});

it('a mergekit file with names of the Hub is merged once they are here, and asks nobody before', async () => {
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'other cache'));
  const file = join(folder, 'mergekit.yml');
  await writeFile(
    file,
    'merge_method: linear\nmodels:\n  - { model: tiny/base, parameters: { weight: 1 } }\n  - { model: tiny/math, parameters: { weight: 1 } }\n',
  );
  const out = join(folder, 'merged');
  const before = await call('merge', file, '--out', out);
  expect(before.code).toBe(1);
  expect(before.err).toContain('mergewright hub get tiny/base tiny/math');
  expect(server.requests).toEqual([]);
  await call('hub', 'get', 'tiny/base', 'tiny/math');
  server.requests.length = 0;
  const after = await call('merge', file, '--out', out);
  expect(after.code, after.err).toBe(0);
  expect(server.requests).toEqual([]);
});
