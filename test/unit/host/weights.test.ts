import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { WeightsDraft, WeightsFinished, WeightsForm } from '../../../main/api/weights.ts';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { writeSafetensors, type TensorToWrite } from '../../../main/checkpoints/writer.ts';
import { methods } from '../../../main/merging/index.ts';
import { executePlan } from '../../../main/merging/streaming/execute-plan.ts';
import { recipeFromFlags } from '../../../main/merging/planning/from-flags.ts';
import { prepareMerge } from '../../../main/merging/planning/prepare.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { writeLlama, writeLoraAdapter } from '../../support/tiny-llama.ts';
import {
  draftWith,
  expectFailed,
  expectRefused,
  hostWithProject,
  startHost,
  type TestHost,
} from './support.ts';

let folder: string;
let host: TestHost;

beforeEach(async () => {
  folder = await temporaryFolder();
  for (const name of ['base', 'math', 'code']) await writeLlama(join(folder, name), { key: name });
  host = startHost();
});

function at(...names: string[]): string {
  return host.handle(join(folder, ...names));
}

function form(change: Partial<WeightsForm> = {}): WeightsForm {
  const model = (name: string, settings = {}) => ({ handle: at(name), on: null, settings });
  return {
    kind: 'form',
    method: 'ties',
    models: [model('base'), model('math', { weight: 0.5 }), model('code', { weight: 0.3 })],
    base: at('base'),
    settings: { density: 0.4 },
    dtype: 'keep',
    seed: 0,
    notes: [],
    ...change,
  };
}

function draft(change: Partial<WeightsDraft> = {}): WeightsDraft {
  return {
    source: form(),
    fixes: [],
    output: at('merged'),
    overwrite: false,
    threads: 1,
    memoryBytes: 2 ** 30,
    shardBytes: null,
    ...change,
  };
}

async function merged(input: WeightsDraft, client = host.client): Promise<WeightsFinished> {
  for await (const event of await client.weights.start(input)) {
    if (event.type === 'finished') return event;
  }
  throw new Error('it was cancelled');
}

const weightFile = 'model.safetensors';

describe('methods', () => {
  it('are all static ones, with parameters for all and for each model apart', async () => {
    const cards = await host.client.weights.methods();
    expect(cards.map(({ id }) => id).sort()).toEqual(methods.map(({ id }) => id).sort());
    const ties = cards.find(({ id }) => id === 'ties')!;
    expect(Object.keys(ties.perExpert)).toEqual(
      Object.keys(methods.find(({ id }) => id === 'ties')!.perExpert),
    );
    // Families stand together, so that a list can have one heading for each.
    const families = cards.map(({ family }) => family);
    expect(families.filter((family, index) => family !== families[index - 1])).toEqual([
      ...new Set(families),
    ]);
  });
});

describe('a model', () => {
  it('is described from its headers, and inspected tensor by tensor', async () => {
    const card = await host.client.weights.describe({ handle: at('base') });
    expect(card).toMatchObject({ title: 'base', kind: 'model', dtypes: ['F32'], tensorCount: 12 });
    expect(card.architecture).toContain('LlamaForCausalLM');
    const { card: same, tensors } = await host.client.weights.inspect({ handle: at('base') });
    expect(same.notes).toEqual([]);
    expect(tensors).toHaveLength(12);
    expect(tensors.map(({ name }) => name)).toContain('model.layers.0.mlp.gate_proj.weight');
  });

  it('is said to be unusual where it is', async () => {
    const { tensors } = await host.client.weights.inspect({ handle: at('base') });
    const kept = tensors.filter(({ name }) => name !== 'lm_head.weight');
    const file = join(folder, 'base', weightFile);
    await writeSafetensors(
      file,
      kept.map(({ name, shape }) => {
        const size = shape.reduce((product, length) => product * length, 1);
        return { name, dtype: 'F32', shape, data: new Float32Array(size) };
      }),
    );
    const config = join(folder, 'base', 'config.json');
    const text = await readFile(config, 'utf8');
    await writeFile(
      config,
      text.replace('"tie_word_embeddings": false', '"tie_word_embeddings": true'),
    );
    const { card } = await host.client.weights.inspect({ handle: at('base') });
    expect(card.notes).toEqual([expect.stringContaining('"lm_head.weight" is tied to')]);
  });

  it('that is none, or was never chosen, is refused', async () => {
    await writeFile(join(folder, 'notes.txt'), 'no weights');
    await expectFailed(
      host.client.weights.describe({ handle: at('notes.txt') }),
      'checkpoint.wrong_format',
    );
    await expectFailed(
      host.client.weights.describe({ handle: 'a'.repeat(32) }),
      'file.read_failed',
    );
    await expectRefused(host.client.weights.describe({ handle: join(folder, 'base') }));
  });
});

it('a handle may be granted a moment after the call that names it was sent', async () => {
  const path = join(folder, 'base');
  const handle = 'b'.repeat(32);
  const asked = host.client.weights.describe({ handle });
  setTimeout(() => host.send({ type: 'grant', handle, path }), 20);
  expect((await asked).title).toBe('base');
});

describe('a plan', () => {
  it('says what the merge needs and where it goes', async () => {
    const plan = await host.client.weights.plan(draft());
    expect(plan.findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(plan).toMatchObject({ location: join(folder, 'merged'), unfinished: false });
    expect(plan.needs).toMatchObject({ threads: 1, ceilingBytes: 2 ** 30 });
    expect(plan.needs!.inputBytes).toBeGreaterThan(plan.needs!.outputBytes);
    expect(plan.recipe).toContain('merge: ties');
  });

  it('offers a base where none is marked, and takes it', async () => {
    const without = draft({ source: form({ base: null }) });
    const plan = await host.client.weights.plan(without);
    const found = plan.findings.find(({ title }) => title === 'No base model')!;
    expect(found.fixes.map(({ title }) => title)).toEqual(['Use base as the base']);
    expect(found.fixes[0]!.draft).toEqual(draft());
  });

  it('offers both ways out of vocabularies of different size, each once', async () => {
    await rm(join(folder, 'code'), { recursive: true });
    await writeLlama(join(folder, 'code'), { key: 'code', vocabulary: 20 });
    const plan = await host.client.weights.plan(draft());
    const fixes = plan.findings.flatMap(({ fixes: own }) => own);
    expect(new Set(fixes.map(({ draft: fixed }) => fixed.fixes.join(' ')))).toEqual(
      new Set(['embeddings=crop', 'embeddings=keep']),
    );
    const other = await host.client.weights.plan({
      ...fixes[0]!.draft,
      fixes: ['embeddings=keep'],
    });
    expect(other.findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('replaces what is there only when told to', async () => {
    await merged(draft());
    const again = await host.client.weights.plan(draft());
    const found = again.findings.find(({ title }) => title === 'The result exists already')!;
    const [fix] = found.fixes;
    expect(fix).toEqual({ title: 'Replace what is there', draft: draft({ overwrite: true }) });
    expect((await host.client.weights.plan(fix!.draft)).findings).not.toContainEqual(found);
    await expectFailed(merged(draft()), 'merge.preflight');
    await merged(fix!.draft);
  });

  it('refuses values out of range, unknown methods and fixes that name paths', async () => {
    const wrong = draft({ source: form({ settings: { density: 7 } }) });
    await expectFailed(host.client.weights.plan(wrong), 'recipe.invalid_parameter');
    const unknown = draft({ source: form({ method: 'spells' }) });
    await expectFailed(host.client.weights.plan(unknown), 'recipe.unknown_method');
    const path = draft({ fixes: [`base=${join(folder, 'math')}`] });
    await expectFailed(host.client.weights.plan(path), 'recipe.unknown_fix');
  });
});

describe('a merge', () => {
  it('gives the bytes of the same merge from flags', async () => {
    const finished = await merged(draft());
    const paths = ['base', 'math', 'code'].map((name) => join(folder, name));
    const [base, ...experts] = paths;
    const set = ['weight=0.5,0.3', 'density=0.4'];
    const flags = { method: 'ties', base, experts, set, dtype: undefined, seed: undefined };
    const limits = {
      out: join(folder, 'flags'),
      overwrite: false,
      threads: 2,
      ceilingBytes: 2 ** 30,
    };
    const prepared = await prepareMerge(recipeFromFlags(flags), limits);
    await executePlan(prepared.plan!, limits.out, { threads: 2 });
    await prepared.close();
    expect(await readFile(join(folder, 'merged', weightFile))).toEqual(
      await readFile(join(folder, 'flags', weightFile)),
    );
    expect(finished.files.map(({ name }) => name)).toEqual([weightFile]);
    expect(finished.parents.map(({ name }) => name)).toEqual(['base', 'math', 'code']);
    const { card } = await host.client.weights.inspect({ handle: finished.place });
    expect(card).toMatchObject({ title: 'merged', tensorCount: 12 });
    expect(host.told).toContainEqual({
      type: 'place',
      handle: finished.place,
      path: finished.location,
    });
  });

  it('that is cancelled can be gone on with, or discarded', async () => {
    for (const name of ['base', 'math', 'code']) {
      await writeLlama(join(folder, name), { key: name, width: 512, layers: 6 });
    }
    const cancelled = async () => {
      for await (const event of await host.client.weights.start(draft())) {
        if (event.type === 'progress' && event.done > 0) break;
      }
      await expect
        .poll(async () => (await host.client.weights.plan(draft())).unfinished)
        .toBe(true);
    };
    await cancelled();
    expect((await merged(draft())).resumed).toBe(true);
    await rm(join(folder, 'merged'), { recursive: true });
    await cancelled();
    await host.client.weights.discard({ output: at('merged') });
    expect((await host.client.weights.plan(draft())).unfinished).toBe(false);
  }, 120_000);

  it('and a run do not go on at the same time', async () => {
    const busy = await hostWithProject();
    const { run } = await busy.client.merge.start(await draftWith(busy.client));
    const handles = Object.fromEntries(
      ['base', 'math', 'code', 'merged'].map((name) => [name, busy.handle(join(folder, name))]),
    );
    expect(handles['base']).toBe(at('base'));
    await expectFailed(merged(draft(), busy.client), 'run.busy');
    await busy.client.runs.cancel({ run });
  });
});

describe('a scan', () => {
  const scan = async (check: 'non_finite' | 'distance', input = draft()) => {
    for await (const event of await host.client.weights.scan({ draft: input, check })) {
      if (event.type === 'scanned') return event;
    }
    throw new Error('it was cancelled');
  };
  const broken = async () => {
    const data = new Float32Array(256);
    data.set([NaN, Infinity], 7);
    const name = 'model.layers.0.self_attn.q_proj.weight';
    const original = await openCheckpoint(join(folder, 'math'));
    const tensors: TensorToWrite[] = [];
    for (const { name: key, shape } of original.tensors.values()) {
      const values = key === name ? data : (await original.read(key)).data;
      tensors.push({ name: key, dtype: 'F32', shape, data: values });
    }
    await original.close();
    const file = join(folder, 'math', weightFile);
    await writeSafetensors(file, tensors, new Map(), { allowNonFinite: true });
    return name;
  };

  it('finds values that are no numbers, and where', async () => {
    expect(await scan('non_finite')).toEqual({ type: 'scanned', findings: [], tensorCount: 36 });
    const name = await broken();
    const { findings } = await scan('non_finite');
    expect(findings).toMatchObject([
      { severity: 'error', title: 'NaN or infinite values', tensors: { examples: [name] } },
    ]);
    expect(findings[0]!.what).toContain('2 NaN or infinite values');
  });

  it('finds models of another base', async () => {
    // Numbers drawn anew are as far from the base as can be.
    const { findings, tensorCount } = await scan('distance');
    expect(findings.map(({ title }) => title)).toEqual(['Far from the base', 'Far from the base']);
    expect(tensorCount).toBe(8);
    const copies = form({ models: [{ handle: at('base'), on: null, settings: {} }] });
    const lone = draft({ source: { ...copies, method: 'linear', base: null } });
    expect(await scan('distance', lone)).toMatchObject({ findings: [], tensorCount: 0 });
  });

  it('of what cannot be merged is refused', async () => {
    await expectFailed(
      scan('non_finite', draft({ source: form({ base: null }) })),
      'merge.preflight',
    );
  });

  it('can be cancelled', async () => {
    for await (const event of await host.client.weights.scan({
      draft: draft(),
      check: 'non_finite',
    })) {
      if (event.type === 'progress') break;
    }
    expect((await scan('non_finite')).tensorCount).toBe(36);
  });
});

describe('an adapter', () => {
  const lone = (): WeightsDraft => {
    const models = ['math', 'lora'].map((name) => ({ handle: at(name), on: null, settings: {} }));
    return draft({ source: form({ method: 'linear', models, base: null, settings: {} }) });
  };

  beforeEach(() => writeLoraAdapter(join(folder, 'lora'), 'tiny'));

  it('is described with what it was made for', async () => {
    const card = await host.client.weights.describe({ handle: at('lora') });
    expect(card).toMatchObject({ kind: 'adapter', madeFor: 'someone/base', tensorCount: 2 });
    expect(card.architecture).toContain('rank 2');
  });

  it('needs a model, and is merged as that model changed', async () => {
    const plan = await host.client.weights.plan(lone());
    const found = plan.findings.find(({ severity }) => severity === 'error')!;
    expect(found.fixes.map(({ title }) => title)).toEqual(['Apply it to math']);
    const { parents } = await merged(found.fixes[0]!.draft);
    expect(parents.length).toBeGreaterThan(1);
    // Half of the change: the mean of the model, and of the model with the adapter.
    const values = async (name: string, tensor: string) => {
      const checkpoint = await openCheckpoint(join(folder, name));
      const { data } = await checkpoint.read(tensor);
      await checkpoint.close();
      return data;
    };
    const query = 'model.layers.0.self_attn.q_proj.weight';
    const [before, after] = [await values('math', query), await values('merged', query)];
    expect(Math.max(...after.map((x, i) => Math.abs(x - before[i]!)))).toBeGreaterThan(0.001);
    const key = 'model.layers.0.self_attn.k_proj.weight';
    expect(await values('merged', key)).toEqual(await values('math', key));
  });
});

describe('a file', () => {
  const open = async (name: string, text: string) => {
    await writeFile(join(folder, name), text);
    return host.client.weights.open({ file: at(name) });
  };

  it('of mergekit fills the form, and merges as its flags would', async () => {
    const opened = await open(
      'plain.yml',
      `merge_method: ties\nbase_model: ./base\nmodels:\n  - model: ./math\n    parameters: {weight: 0.5}\n  - model: ./code\n    parameters: {weight: 0.3}\nparameters: {density: 0.4}\n`,
    );
    expect(opened.file).toBeNull();
    expect(opened.form).toMatchObject({ method: 'ties', settings: { density: 0.4 } });
    const [base, math] = opened.form!.models;
    expect(opened.form!.base).toBe(base!.handle);
    expect(math!.settings).toMatchObject({ weight: 0.5 });
    const card = await host.client.weights.describe({ handle: math!.handle });
    expect(card.title).toBe('math');
    await merged(draft({ source: opened.form! }));
  });

  it('with gradients and slices is summed up, and merged as it is', async () => {
    const opened = await open(
      'slices.yml',
      `merge_method: linear\nslices:\n  - sources:\n      - {model: ./math, layer_range: [0, 1], parameters: {weight: [0.2, 0.8]}}\n      - {model: ./code, layer_range: [0, 1], parameters: {weight: 0.5}}\n`,
    );
    expect(opened.form).toBeNull();
    const text = opened
      .file!.summary.map(({ label, text: line }) => `${label}: ${line}`)
      .join('\n');
    expect(text).toContain('math layers 0–0, code layers 0–0');
    expect(text).toContain('math: weight: 0.2 → 0.8 over depth');
    const source = { kind: 'file', file: at('slices.yml'), dtype: 'bf16' } as const;
    await merged(draft({ source }));
    const card = await host.client.weights.describe({ handle: at('merged') });
    expect(card.dtypes).toEqual(['BF16']);
  });

  it('that is something else is refused', async () => {
    await expectFailed(open('run.yml', 'tasks: []\n'), 'recipe.invalid');
    await mkdir(join(folder, 'folder.yml'));
    await expectFailed(host.client.weights.open({ file: at('folder.yml') }), 'recipe.unreadable');
  });
});
