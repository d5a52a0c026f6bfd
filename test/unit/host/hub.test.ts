/** Downloads over the contract: settings, sizes, progress, cancelling, and models that come into the project. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HubFinished, HubProgress } from '../../../main/api/hub.ts';
import type { Materials } from '../../../main/runs/project.ts';
import {
  filesIn,
  goodToken,
  sha256Of,
  startHubServer,
  type HubServer,
} from '../../support/hub-server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { tinyTasks } from '../../support/tiny-project.ts';
import { expectFailed, hostWithProject, startHost, tinyFolder, type Client } from './support.ts';

let folder: string;
let source: string;
let server: HubServer;
let weights: Buffer;

beforeAll(async () => {
  folder = await temporaryFolder();
  source = await tinyFolder();
  server = await startHubServer();
  server.add('tiny/base', await filesIn(join(source, 'models/base')));
  for (const expert of tinyTasks) {
    const files = await filesIn(join(source, 'models', expert));
    server.add(`tiny/${expert}`, files);
    weights = files.get('model.safetensors')!;
  }
});
afterAll(() => server.close());

let turn = 0;
beforeEach(() => {
  vi.stubEnv('HF_ENDPOINT', server.endpoint);
  vi.stubEnv('HF_HUB_CACHE', join(folder, `cache ${String(turn)}`));
  vi.stubEnv('HF_HOME', join(folder, 'home'));
  vi.stubEnv('HF_TOKEN', goodToken);
  vi.stubEnv('HF_HUB_OFFLINE', '');
  vi.stubEnv('MERGEWRIGHT_USER_DATA', join(folder, `settings ${String(turn++)}`));
  server.requests.length = 0;
});
afterEach(() => {
  vi.unstubAllEnvs();
});

async function get(
  client: Client,
  models: string[],
  signal?: AbortSignal,
  onUpdate: (update: HubProgress | HubFinished) => void = () => undefined,
): Promise<HubFinished | undefined> {
  for await (const update of await client.hub.get(
    { models },
    signal === undefined ? {} : { signal },
  )) {
    onUpdate(update);
    if (update.type === 'finished') return update;
  }
  return undefined;
}

it('asks nobody for what it knows', async () => {
  const { client } = startHost();
  const state = await client.hub.state();
  expect(state).toMatchObject({
    network: 'ask',
    forbidden: null,
    endpoint: `${server.endpoint}/`,
    token: 'none',
    tokensFound: { env: true, saved: false },
  });
  const presets = await client.hub.presets();
  expect(presets.map(({ experts: all, here }) => [all.length, here])).toContainEqual([8, 0]);
  expect(server.requests).toEqual([]);
});

it('sizes, then downloads, then the models are the project’s', async () => {
  const host = await hostWithProject();
  const { client } = host;
  const names = tinyTasks;
  const models = ['tiny/base', ...names.map((name) => `tiny/${name}`)];
  const size = await client.hub.size({ models });
  expect(size.models.map(({ name }) => name)).toEqual(models);
  expect(size.missingBytes).toBeGreaterThan(weights.length);
  expect(size.freeDiskBytes).toBeGreaterThan(0);
  expect(server.requests).toHaveLength(models.length);
  await expectFailed(client.hub.add({ base: 'tiny/base', experts: [] }), 'hub.not_downloaded');
  const updates: (HubProgress | HubFinished)[] = [];
  const finished = await get(client, models, undefined, (update) => updates.push(update));
  expect(finished?.models.map(({ name }) => name)).toEqual(models);
  const last = updates.findLast((update) => update.type === 'progress');
  expect(last).toMatchObject({ done: size.missingBytes, total: size.missingBytes });
  expect((await client.hub.size({ models })).missingBytes).toBe(0);

  server.requests.length = 0;
  const before = await client.project.overview();
  const overview = await client.hub.add({
    base: 'tiny/base',
    experts: names.map((name) => ({
      model: `tiny/${name}`,
      title: `Task ${name}`,
      task: 'sun397',
    })),
  });
  expect(overview.base?.title).toBe('tiny/base');
  const added = overview.tasks.slice(before?.tasks.length);
  expect(added.map(({ id }) => id)).toEqual(
    names.map((_, index) => (index === 0 ? 'sun397' : `sun397-${index + 1}`)),
  );
  expect(added.every(({ problem }) => problem === null)).toBe(true);
  const { materials } = JSON.parse(await readFile(join(host.folder, 'project.json'), 'utf8')) as {
    materials: Materials;
  };
  expect(materials.base).toMatch(/^hub:tiny\/base@[0-9a-f]{40}$/);
  expect(materials.tasks.at(-1)).toMatchObject({ head: { prompts: 'sun397' } });

  // The same again changes nothing but the base, and all of it can be taken back.
  const again = await client.hub.add({
    base: null,
    experts: names.map((name) => ({ model: `tiny/${name}`, title: name, task: 'sun397' })),
  });
  expect(again.tasks).toHaveLength(overview.tasks.length);
  await client.project.undo();
  const undone = await client.project.undo();
  expect(undone.tasks).toHaveLength(before?.tasks.length ?? -1);
  expect(server.requests).toEqual([]);

  await client.project.redo();
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'a cache without them'));
  const elsewhere = await client.project.overview();
  expect(elsewhere?.baseProblem?.code).toBe('hub.not_downloaded');
  expect(elsewhere?.tasks.at(-1)?.problem?.code).toBe('hub.not_downloaded');
  const missing = await client.hub.missing();
  expect(missing.map((name) => name.split('@')[0])).toEqual(models);
});

describe('a download', () => {
  it('is cancelled by ending the iteration, and goes on the next time', async () => {
    const { client } = startHost();
    const hash = sha256Of(weights);
    server.fail(hash, { kind: 'silence', after: weights.length - 10 });
    const name = tinyTasks[1];
    const controller = new AbortController();
    await get(client, [`tiny/${name}`], controller.signal, (update) => {
      if (update.type === 'progress' && update.done > 0) controller.abort();
    }).catch(() => undefined);
    // The former one is over as soon as it has put down what it has.
    await vi.waitFor(async () => expect(await get(client, [`tiny/${name}`])).toBeDefined(), {
      timeout: 10_000,
    });
    const asked = server.requests.filter(({ path }) => path.includes(hash));
    expect(asked.length).toBeGreaterThan(1);
  });

  it('is one at a time', async () => {
    const { client } = startHost();
    const [name] = tinyTasks;
    const files = await filesIn(join(source, 'models', name));
    server.fail(sha256Of(files.get('model.safetensors')!), { kind: 'silence', after: 10 });
    const controller = new AbortController();
    const first = get(client, [`tiny/${name}`], controller.signal).catch(() => undefined);
    await vi.waitFor(() => expect(server.requests.some(({ host }) => host === 'store')).toBe(true));
    await expectFailed(get(client, [`tiny/${name}`]), 'hub.busy');
    controller.abort();
    await first;
  });
});

describe('settings', () => {
  it('are kept, but for the token', async () => {
    const { client } = startHost();
    await client.hub.configure({ network: 'offline', endpoint: 'http://127.0.0.1:1/hub' });
    const typed = await client.hub.configure({ token: { source: 'typed', value: goodToken } });
    expect(typed).toMatchObject({
      network: 'offline',
      endpoint: 'http://127.0.0.1:1/hub',
      token: 'typed',
    });
    expect(JSON.stringify(typed)).not.toContain(goodToken);
    const other = await startHost().client.hub.state();
    expect(other).toMatchObject({ network: 'offline', token: 'none' });
    const failure = await expectFailed(client.hub.size({ models: ['tiny/base'] }), 'hub.offline');
    expect(failure.what).toContain('switched off');
    const back = await client.hub.configure({ network: 'ask', endpoint: null });
    expect(back.endpoint).toBe(`${server.endpoint}/`);
    expect(server.requests).toEqual([]);
    for (const file of await readdir(process.env['MERGEWRIGHT_USER_DATA']!)) {
      const text = await readFile(join(process.env['MERGEWRIGHT_USER_DATA']!, file), 'utf8');
      expect(text).not.toContain(goodToken);
    }
  });

  it('of the environment stand above them', async () => {
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const { client } = startHost();
    expect((await client.hub.state()).forbidden).toContain('HF_HUB_OFFLINE');
    await expectFailed(client.hub.size({ models: ['tiny/base'] }), 'hub.offline');
    expect(server.requests).toEqual([]);
  });

  it('that are wrong change nothing', async () => {
    const { client } = startHost();
    await expectFailed(client.hub.configure({ endpoint: 'nowhere' }), 'hub.setting_invalid');
    const token = { source: 'typed', value: 'two words' } as const;
    await expectFailed(client.hub.configure({ token }), 'hub.setting_invalid');
    await expectFailed(client.hub.configure({ token: { source: 'saved' } }), 'hub.setting_invalid');
    expect(await client.hub.state()).toMatchObject({ chosenEndpoint: null, token: 'none' });
  });

  it('decide whether a token is sent', async () => {
    server.restrict('tiny/base', 'gated');
    const { client } = startHost();
    await expectFailed(get(client, ['tiny/base']), 'hub.unauthorized');
    await client.hub.configure({ token: { source: 'env' } });
    expect(await get(client, ['tiny/base'])).toBeDefined();
    server.restrict('tiny/base', 'public');
    expect(server.requests.some(({ authorization }) => authorization?.includes(goodToken))).toBe(
      true,
    );
  });
});
