import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { LoraDraft, LoraFinished } from '../../../main/api/lora.ts';
import { lora } from '../../../main/cli/commands/lora.ts';
import { runProgram } from '../../../main/cli/main.ts';
import { combinations } from '../../../main/merging/lora/combine.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { writeLlama, writeLoraAdapter } from '../../support/tiny-llama.ts';
import { expectFailed, expectRefused, startHost, type TestHost } from './support.ts';

let folder: string;
let host: TestHost;

beforeEach(async () => {
  folder = await temporaryFolder();
  for (const name of ['math', 'code']) await writeLoraAdapter(join(folder, name), name);
  host = startHost();
});

function at(name: string): string {
  return host.handle(join(folder, name));
}

type Combination = Extract<LoraDraft, { action: 'combine' }>;

function combining(change: Partial<Combination> = {}): Combination {
  return {
    action: 'combine',
    way: 'ties_svd',
    adapters: [
      { handle: at('math'), weight: 0.7 },
      { handle: at('code'), weight: -0.3 },
    ],
    settings: { density: 0.5, majority: 'frequency', rank: 3 },
    output: at('both'),
    ...change,
  };
}

function extracting(settings: LoraDraft['settings'] = { rank: 2 }, way = 'rank'): LoraDraft {
  const [tuned, base] = [at('tuned'), at('base')];
  return { action: 'extract', way, tuned, base, settings, output: at('adapter') };
}

async function writeModels(): Promise<void> {
  for (const name of ['tuned', 'base']) await writeLlama(join(folder, name), { key: name });
}

async function made(draft: LoraDraft): Promise<LoraFinished> {
  for await (const event of await host.client.lora.start(draft)) {
    if (event.type === 'finished') return event;
  }
  throw new Error('it was cancelled');
}

async function byCommand(...words: readonly string[]): Promise<void> {
  let problem = '';
  const code = await runProgram(['lora', ...words], {
    commands: [lora],
    version: '',
    stdout: { columns: 200, write: () => undefined },
    stderr: { write: (text) => (problem += text) },
    env: {},
    signal: new AbortController().signal,
  });
  expect(code, problem).toBe(0);
}

async function expectSame(one: string, other: string): Promise<void> {
  for (const file of ['adapter_model.safetensors', 'adapter_config.json']) {
    const [a, b] = [one, other].map((name) => readFile(join(folder, name, file)));
    expect((await a)!.equals((await b)!), file).toBe(true);
  }
}

describe('the ways', () => {
  it('are all that the program knows, each with its parameters', async () => {
    const { combine, extract, weight } = await host.client.lora.ways();
    expect(combine.map(({ id }) => id).sort()).toEqual([...combinations].sort());
    expect(extract.map(({ id }) => id)).toEqual(['rank', 'energy']);
    expect(weight).toMatchObject({ kind: 'number', default: 1 });
    const parametersOf = (id: string) =>
      Object.keys(combine.find((way) => way.id === id)!.parameters);
    expect(parametersOf('cat')).toEqual([]);
    expect(parametersOf('dare_ties_svd')).toEqual([
      ...['density', 'majority', 'seed'],
      ...['rank', 'svd_scaling'],
    ]);
  });

  it.each(combinations)('%s takes the defaults of its record', async (way) => {
    const finished = await made(combining({ way, settings: {} }));
    expect(finished).toMatchObject({ weightCount: 1, lacks: null });
  });
});

describe('combining', () => {
  it('gives the bytes of the command line, kept values of other ways aside', async () => {
    const settings = { density: 0.5, majority: 'frequency', rank: 3, seed: 9, energy: 0.2 };
    const finished = await made(combining({ settings }));
    expect(finished).toMatchObject({ weightCount: 1, ranks: { min: 3, max: 3 } });
    const kind = ['--kind', 'ties_svd', '--density', '0.5', '--majority', 'frequency'];
    await byCommand(
      ...['merge', join(folder, 'math'), join(folder, 'code'), '--weights', '0.7', '-0.3'],
      ...[...kind, '--rank', '3', '--out', join(folder, 'by command')],
    );
    await expectSame('both', 'by command');
    const { card } = await host.client.weights.inspect({ handle: finished.place });
    expect(card).toMatchObject({ kind: 'adapter', tensorCount: 2, madeFor: 'someone/base' });
  });

  it('is told before what would come out', async () => {
    const plan = await host.client.lora.plan(combining());
    expect(plan).toMatchObject({ weightCount: 1, ranks: { min: 3, max: 3 }, findings: [] });
    // Factors of 3 × 16 and 16 × 3 in fp32.
    expect(plan.outputBytes).toBe(2 * 3 * 16 * 4);
    expect(plan.location).toBe(join(folder, 'both'));
    const cat = await host.client.lora.plan(combining({ way: 'cat' }));
    expect(cat.ranks).toEqual({ min: 4, max: 4 });
  });

  it('finds in the headers what does not fit', async () => {
    await writeLoraAdapter(join(folder, 'wide'), 'wide', 32);
    const adapters = ['math', 'wide'].map((name) => ({ handle: at(name), weight: 1 }));
    const failure = await expectFailed(
      host.client.lora.plan(combining({ adapters })),
      'adapter.mismatch',
    );
    expect(failure.what).toContain('another shape');
    await expectFailed(made(combining({ adapters })), 'adapter.mismatch');
    const opposed = combining({ way: 'soup', settings: {} });
    opposed.adapters[1]!.weight = -0.7;
    await expectFailed(host.client.lora.plan(opposed), 'recipe.invalid_parameter');
  });

  it('does not replace what is there', async () => {
    await made(combining());
    const { findings } = await host.client.lora.plan(combining());
    expect(findings).toMatchObject([{ severity: 'error', title: 'The result exists already' }]);
    await expectFailed(made(combining()), 'file.folder_exists');
  });

  it('refuses ways, values and weights that there are not', async () => {
    const plan = host.client.lora.plan;
    await expectFailed(plan(combining({ way: 'glue' })), 'recipe.unknown_method');
    const wrong = combining({ settings: { density: 2 } });
    await expectFailed(plan(wrong), 'recipe.invalid_parameter');
    const far = combining({ adapters: [{ handle: at('math'), weight: 2e6 }] });
    await expectFailed(plan(far), 'recipe.invalid_parameter');
    await expectRefused(plan(combining({ adapters: [] })));
    await expectFailed(made(combining({ output: null })), 'file.write_failed');
  });
});

describe('extracting', () => {
  it('gives the bytes of the command line, and says what is lacking', async () => {
    await writeModels();
    const plan = await host.client.lora.plan(extracting());
    expect(plan).toMatchObject({ weightCount: 8, ranks: { min: 2, max: 2 }, findings: [] });
    const finished = await made(extracting());
    expect(finished).toMatchObject({ weightCount: 8, ranks: { min: 2, max: 2 } });
    const { weights, lost, residual } = finished.lacks!;
    expect(weights.map((one) => one.residual)).toEqual(
      weights.map((one) => one.residual).sort((a, b) => b - a),
    );
    expect(residual).toBeGreaterThan(0.1);
    expect(lost).toContain('model.norm.weight');
    const [tuned, base] = [join(folder, 'tuned'), join(folder, 'base')];
    await byCommand(
      ...['extract', tuned, '--base', base, '--rank', '2', '--out', join(folder, 'by command')],
    );
    await expectSame('adapter', 'by command');
  });

  it('by a share has ranks that are known afterwards', async () => {
    await writeModels();
    const draft = extracting({ energy: 0.5 }, 'energy');
    expect(await host.client.lora.plan(draft)).toMatchObject({
      ranks: null,
      outputBytes: null,
    });
    const { lacks, ranks } = await made(draft);
    expect(Math.max(...lacks!.weights.map((one) => one.residual))).toBeLessThan(Math.sqrt(0.5));
    expect(ranks.max).toBeLessThan(16);
  });

  it('needs the base the checkpoint was made from', async () => {
    await writeModels();
    await writeLlama(join(folder, 'base'), { key: 'base', vocabulary: 20 });
    const failure = await expectFailed(host.client.lora.plan(extracting()), 'merge.incompatible');
    expect(failure.what).toContain('[20, 16]');
  });
});

it('that is cancelled leaves nothing behind', async () => {
  for (const name of ['tuned', 'base']) {
    await writeLlama(join(folder, name), { key: name, width: 256, layers: 2 });
  }
  for await (const event of await host.client.lora.start(extracting())) {
    if (event.type === 'progress' && event.done > 1) break;
  }
  const draft = extracting();
  await expect.poll(async () => (await host.client.lora.plan(draft)).findings).toEqual([]);
  // Starting waits for the one that was told to stop, and is not refused.
  const finished = await made(draft);
  expect(finished.weightCount).toBe(15);
});
