/** Names, settings, tokens, presets, and which files are taken. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { referenceOf } from '../../../main/hub/cache.ts';
import { assess } from '../../../main/hub/fetch.ts';
import { neededFiles } from '../../../main/hub/files.ts';
import { formatHubName, parseHubName, requireHubName } from '../../../main/hub/name.ts';
import { modelsOfPreset, presets, requirePreset } from '../../../main/hub/presets.ts';
import { foundToken, hubCacheFolder, hubSettings } from '../../../main/hub/settings.ts';
import { Token } from '../../../main/hub/token.ts';
import { bundledPrompts } from '../../../main/text/prompts.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { model, stage } from './support.ts';

describe('names', () => {
  it.each([
    ['openai/clip-vit-base-patch32', 'openai/clip-vit-base-patch32', 'main'],
    ['hub:gpt2', 'gpt2', 'main'],
    ['a/b@refs/pr/1', 'a/b', 'refs/pr/1'],
    [
      'tanganke/clip-vit-base-patch32_oxford-iiit-pet@v1.0',
      'tanganke/clip-vit-base-patch32_oxford-iiit-pet',
      'v1.0',
    ],
  ])('%s', (text, repository, revision) => {
    expect(parseHubName(text)).toEqual({ repository, revision });
    expect(parseHubName(formatHubName({ repository, revision }))).toEqual({ repository, revision });
  });

  it.each([
    '',
    '/a',
    'a/b/c',
    '../b',
    'a/..',
    'a--b/c',
    'a/b@',
    'a/b@../x',
    'a/b@-x',
    'a\\b',
    'a b/c',
    '.a/b',
    'hub:',
    `a/${'b'.repeat(99)}`,
  ])('is none: "%s"', async (text) => {
    expect(parseHubName(text)).toBeUndefined();
    await expectFailure(() => requireHubName(text), 'hub.name_invalid');
  });

  it('a folder of the cache is written as name and commit, any other path is not', () => {
    const commit = 'a'.repeat(40);
    const of = (...parts: string[]) => referenceOf('/cache', join('/cache', ...parts));
    expect(of('models--a--b-c', 'snapshots', commit)).toBe(`hub:a/b-c@${commit}`);
    expect(of('models--gpt2', 'snapshots', commit)).toBe(`hub:gpt2@${commit}`);
    for (const other of [
      ['datasets--a--b', 'snapshots', commit],
      ['models--a--b', 'blobs', commit],
      ['models--a--b', 'snapshots', 'main'],
      ['models--a--b', 'snapshots', commit, 'model.safetensors'],
      ['..', 'models--a--b', 'snapshots', commit],
    ]) {
      expect(of(...other), other.join('/')).toBeUndefined();
    }
  });
});

describe('settings', () => {
  it('are those of huggingface_hub', () => {
    expect(hubCacheFolder({})).toBe(join(homedir(), '.cache/huggingface/hub'));
    expect(hubCacheFolder({ XDG_CACHE_HOME: '/x' })).toBe(join('/x/huggingface/hub'));
    expect(hubCacheFolder({ HF_HOME: '/h', XDG_CACHE_HOME: '/x' })).toBe(join('/h/hub'));
    expect(hubCacheFolder({ HF_HUB_CACHE: '/c', HF_HOME: '/h' })).toBe('/c');
    expect(hubSettings({}, {}).endpoint.href).toBe('https://huggingface.co/');
    expect(hubSettings({}, { HF_ENDPOINT: 'https://mirror/hf/' }).endpoint.href).toBe(
      'https://mirror/hf',
    );
    expect(hubSettings({ endpoint: 'http://a' }, { HF_ENDPOINT: 'https://b' }).endpoint.host).toBe(
      'a',
    );
    for (const [value, offline] of [
      ['1', true],
      ['TRUE', true],
      ['0', false],
      ['', false],
    ] as const) {
      expect(hubSettings({}, { HF_HUB_OFFLINE: value }).offline !== undefined).toBe(offline);
    }
  });

  it.each(['huggingface.co', 'ftp://a', 'https://me:secret@a', 'https://a?x=1'])(
    'an address that is none: %s',
    async (endpoint) => {
      await expectFailure(() => hubSettings({ endpoint }, {}), 'hub.setting_invalid');
    },
  );

  it('a proxy that is none', async () => {
    const env = { HTTPS_PROXY: 'socks5://a:1' };
    await expectFailure(() => hubSettings({}, env), 'hub.setting_invalid');
    expect(hubSettings({}, { https_proxy: 'proxy:3128' }).proxies.https).toBe('http://proxy:3128');
  });

  it('a proxy is used, but for the hosts that need none', async () => {
    const on = await stage();
    let proxied = 0;
    const proxy = createServer((incoming, outgoing) => {
      proxied++;
      httpRequest(incoming.url ?? '', { headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      }).end();
    });
    proxy.on('connect', ({ url = '' }, socket, head) => {
      proxied++;
      const [host, port] = url.split(':');
      const onward = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.write(head);
        onward.pipe(socket);
        socket.pipe(onward);
      });
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const through = on.client({}, { HTTP_PROXY: address });
    await on.fetch([model], {}, through);
    expect(proxied).toBeGreaterThan(0);
    const before = proxied;
    const past = on.client({}, { HTTP_PROXY: address, NO_PROXY: '127.0.0.1' });
    await assess(past, [requireHubName(model)]);
    expect(proxied).toBe(before);
    await through.close();
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
    const failure = await expectFailure(
      assess(on.client({}, { HTTP_PROXY: address }), [requireHubName(model)]),
      'hub.unreachable',
    );
    expect(failure.what).toContain('through the proxy');
  });
});

describe('a token', () => {
  it('is found only where it is looked for', async () => {
    const home = await temporaryFolder();
    await mkdir(home, { recursive: true });
    await writeFile(join(home, 'token'), 'hf_saved\n');
    const env = { HF_HOME: home, HF_TOKEN: 'hf_environment' };
    expect(foundToken('saved', env).authorization).toBe('Bearer hf_saved');
    expect(foundToken('env', env).authorization).toBe('Bearer hf_environment');
    expect(hubSettings({}, env).token).toBeUndefined();
    await expectFailure(() => foundToken('env', {}), 'hub.setting_invalid');
    await expectFailure(() => foundToken('saved', { HF_HOME: '/nowhere' }), 'hub.setting_invalid');
  });

  it('is shown by nothing', () => {
    const token = new Token('hf_secret');
    const settings = hubSettings({ token }, {});
    const texts = [String(token), JSON.stringify(settings), inspect(settings, { depth: 9 })];
    expect(texts.join()).not.toContain('secret');
  });

  it('of characters that no token has is refused without being repeated', async () => {
    const failure = await expectFailure(() => new Token('hf_x\r\nHost: b'), 'hub.setting_invalid');
    expect(failure.message).not.toContain('Host');
  });
});

describe('of the files of a repository', () => {
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  const index = 'model.safetensors.index.json';
  it.each<[string, string[], string[] | undefined]>([
    [
      'safetensors before pickles',
      ['pytorch_model.bin', 'model.safetensors', 'config.json', 'x.onnx'],
      ['config.json', 'model.safetensors'],
    ],
    [
      'pickles where there is nothing else',
      ['tf_model.h5', 'pytorch_model.bin'],
      ['pytorch_model.bin'],
    ],
    [
      'shards with their index, which comes last',
      [index, ...shards, 'merges.txt'],
      ['merges.txt', ...shards, index],
    ],
    [
      'a whole set of weights before one that lacks a shard',
      [index, shards[0]!, 'pytorch_model.bin'],
      ['pytorch_model.bin'],
    ],
    [
      'an adapter',
      ['adapter_model.safetensors', 'adapter_config.json'],
      ['adapter_config.json', 'adapter_model.safetensors'],
    ],
    ['nothing without weights', ['config.json', index, shards[1]!], undefined],
    ['nothing below folders', ['onnx/model.safetensors', '../model.safetensors'], undefined],
  ])('%s', (_title, names, needed) => {
    expect(neededFiles(names)).toEqual(needed);
  });
});

describe('presets', () => {
  it('have the 8, 14 and 20 tasks, each a model of its own', () => {
    expect(presets.map(({ experts }) => experts.length)).toEqual([8, 14, 20, 8, 14, 20, 8, 14, 20]);
    expect(new Set(presets.map(({ id }) => id)).size).toBe(9);
    for (const preset of presets) {
      const models = modelsOfPreset(preset);
      expect(new Set(models).size).toBe(preset.experts.length + 1);
      expect(models[0]).toMatch(/^openai\/clip-vit-/);
      for (const { task, model: name } of preset.experts) {
        expect(name).toBe(`${preset.base.replace('openai', 'tanganke')}_${task}`);
      }
    }
  });

  it('have class names for every task', () => {
    const tasks = presets.flatMap(({ experts }) => experts.map(({ task }) => task));
    expect(tasks.filter((task) => !Object.hasOwn(bundledPrompts, task))).toEqual([]);
  });

  it('have the sizes that their architectures give', async () => {
    // https://arxiv.org/abs/2103.00020, table 20: width, layers and patch of the vision towers.
    const towers = {
      'base-patch32': [768, 12, 32],
      'base-patch16': [768, 12, 16],
      'large-patch14': [1024, 24, 14],
    };
    for (const [name, [width = 0, layers = 0, patch = 0]] of Object.entries(towers)) {
      const tokens = (224 / patch) ** 2 + 1;
      const block = 4 * (width * width + width) + 2 * 4 * width * width + 5 * width + 4 * width;
      const vision =
        width + 3 * patch * patch * width + tokens * width + 4 * width + layers * block;
      const preset = requirePreset(`clip-vit-${name}-8`);
      expect(preset.approximateBytes.expert, name).toBe(4 * vision);
      expect(preset.approximateBytes.base).toBeGreaterThan(4 * vision);
    }
    const files = await readFile('assets/presets/clip-vit-base-patch32.json', 'utf8');
    expect(files).toContain('tanganke/clip-vit-base-patch32_sun397');
  });

  it('that do not exist are not guessed', async () => {
    const failure = await expectFailure(
      () => requirePreset('clip-vit-base-patch32-9'),
      'hub.unknown_preset',
    );
    expect(failure.what).toContain('did you mean');
  });
});
