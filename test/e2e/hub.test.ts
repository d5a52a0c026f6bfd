/** Downloads by the built program: killed in the middle, interrupted, and gone on with. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { filesIn, sha256Of, startHubServer, type HubServer } from '../support/hub-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { mergewright, printed, root, startMergewright } from './program.ts';

const model = 'demo/base';
const held = 1_000_000;

let folder: string;
let server: HubServer;
let weights: Buffer;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startHubServer();
  const files = await filesIn(join(root, 'assets/demo/base'));
  weights = files.get('model.safetensors')!;
  server.add(model, files);
  vi.stubEnv('HF_ENDPOINT', server.endpoint);
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'cache'));
  vi.stubEnv('HF_HUB_OFFLINE', '');
  vi.stubEnv('MERGEWRIGHT_USER_DATA', join(folder, 'settings'));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

/** The bytes of the weights that lie in the cache unfinished. */
async function unfinished(): Promise<number> {
  const blobs = join(folder, 'cache/models--demo--base/blobs');
  const names = await readdir(blobs).catch(() => []);
  const partial = names.find((name) => name.startsWith(`${sha256Of(weights)}.`));
  return partial === undefined ? 0 : (await stat(join(blobs, partial))).size;
}

it('a download that was killed, then interrupted, goes on where it was', async () => {
  server.fail(
    sha256Of(weights),
    { kind: 'silence', after: held },
    { kind: 'silence', after: held / 2 },
  );
  const killed = startMergewright(['hub', 'get', model]);
  await vi.waitFor(async () => expect(await unfinished()).toBe(held), { timeout: 30_000 });
  killed.process.kill('SIGKILL');
  expect((await killed.end).code).toBeNull();

  const interrupted = startMergewright(['hub', 'get', model]);
  await vi.waitFor(async () => expect(await unfinished()).toBe(1.5 * held), { timeout: 30_000 });
  interrupted.process.kill('SIGINT');
  expect((await interrupted.end).code).toBe(130);
  const size = printed(await mergewright('hub', 'size', model));
  expect(size).toContain('2 MB of it begun');

  const out = printed(await mergewright('hub', 'get', model, '--json'));
  const [fetched] = (JSON.parse(out) as { models: { path: string; reference: string }[] }).models;
  const file = join(fetched!.path, 'model.safetensors');
  expect(sha256Of(await readFile(file))).toBe(sha256Of(weights));
  const ranges = server.requests.filter(({ host }) => host === 'store').map(({ range }) => range);
  expect(ranges).toEqual([undefined, `bytes=${held}-`, `bytes=${1.5 * held}-`]);

  const before = server.requests.length;
  expect(printed(await mergewright('inspect', fetched!.reference))).toContain(fetched!.path);
  expect(server.requests).toHaveLength(before);
});
