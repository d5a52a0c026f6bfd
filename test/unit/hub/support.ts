/** A stand-in of the Hub with small real models, an empty cache, and clients that lose patience soon. */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { HubClient } from '../../../main/hub/client.ts';
import {
  assess,
  fetchModels,
  type FetchedModel,
  type FetchOptions,
} from '../../../main/hub/fetch.ts';
import { requireHubName } from '../../../main/hub/name.ts';
import { hubSettings, type HubChoices, type Patience } from '../../../main/hub/settings.ts';
import { filesIn, startHubServer, type HubServer } from '../../support/hub-server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { writeLlama } from '../../support/tiny-llama.ts';

export const impatient: Patience = {
  connectMs: 20_000,
  answerMs: 20_000,
  stallMs: 20_000,
  pausesMs: [1, 1, 1],
};

export const model = 'tiny/llama';

export interface Stage {
  readonly server: HubServer;
  readonly cache: string;
  /** Of the model's weights. */
  readonly weights: Buffer;
  readonly commit: string;
  client(choices?: HubChoices, env?: Record<string, string>): HubClient;
  /** Assesses and fetches models. */
  fetch(
    names: readonly string[],
    options?: FetchOptions,
    client?: HubClient,
  ): Promise<readonly FetchedModel[]>;
}

const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closing) await close();
});

let modelFiles: Promise<Map<string, Buffer>> | undefined;

/** What a repository holds: what a merge needs, and what it does not. */
async function makeModel(): Promise<Map<string, Buffer>> {
  const folder = await mkdtemp(join(tmpdir(), 'mergewright-test-'));
  await writeLlama(folder, { key: 'hub', width: 32, layers: 2 });
  const files = await filesIn(folder);
  await rm(folder, { recursive: true });
  files.set('tokenizer.json', Buffer.from('{"version":"1.0"}'));
  files.set('README.md', Buffer.from('# not needed'));
  files.set('tf_model.h5', Buffer.alloc(5000));
  return files;
}

/** A server of its own for each test, so that no test meets another's requests. */
export async function stage(): Promise<Stage> {
  const server = await startHubServer();
  closing.push(() => server.close());
  const folder = await temporaryFolder();
  const cache = join(folder, 'hub');
  await mkdir(cache);
  const files = await (modelFiles ??= makeModel());
  const commit = server.add(model, files);
  const client = (choices: HubChoices = {}, env: Record<string, string> = {}) => {
    const made = new HubClient(
      hubSettings(
        { patience: impatient, ...choices },
        { HF_ENDPOINT: server.endpoint, HF_HUB_CACHE: cache, ...env },
      ),
    );
    closing.unshift(() => made.close());
    return made;
  };
  return {
    server,
    cache,
    weights: files.get('model.safetensors')!,
    commit,
    client,
    fetch: async (names, options, own = client()) =>
      fetchModels(own, await assess(own, names.map(requireHubName), options?.signal), options),
  };
}

export const folderName = 'models--tiny--llama';
export const weightFile = 'model.safetensors';

/** The parts of files that were asked for. */
export function ranges({ server }: Stage): (string | undefined)[] {
  return server.requests.filter(({ host }) => host === 'store').map(({ range }) => range);
}

/** The names of contents and unfinished downloads. */
export async function blobs({ cache }: Stage): Promise<string[]> {
  return (await readdir(join(cache, folderName, 'blobs')).catch(() => [])).sort();
}
