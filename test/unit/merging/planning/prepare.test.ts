import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { MergePlan } from '../../../../main/merging/plan.ts';
import { applyFix } from '../../../../main/merging/planning/fixes.ts';
import { recipeFromFlags } from '../../../../main/merging/planning/from-flags.ts';
import {
  prepareMerge,
  type PreparedMerge,
  type PrepareOptions,
} from '../../../../main/merging/planning/prepare.ts';
import type { MergeRecipe } from '../../../../main/merging/planning/recipe.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { llama, llamaConfig, storeModel, tokenizerOf, writeShapes, type Shapes } from './models.ts';

let folder = '';
let base = '';
let fine = '';

beforeAll(async () => {
  folder = await temporaryFolder();
  base = await storeModel(at('base'), llama(), llamaConfig(), tokenizerOf('a', 'b'));
  fine = await storeModel(at('fine'), llama(), llamaConfig(), tokenizerOf('a', 'b'));
});

function at(name: string): string {
  return join(folder, name);
}

const limits: PrepareOptions = {
  out: undefined,
  overwrite: false,
  threads: 1,
  ceilingBytes: 2 ** 30,
};

async function prepare(
  recipe: MergeRecipe,
  options: Partial<PrepareOptions> = {},
): Promise<PreparedMerge> {
  const prepared = await prepareMerge(recipe, { ...limits, ...options });
  await prepared.close();
  // What this machine has measured is no part of the tests.
  return { ...prepared, findings: prepared.findings.filter(({ id }) => id !== 'time') };
}

/** A merge by TIES of whole models. */
function ties(...experts: readonly string[]): MergeRecipe {
  const flags = { base, experts, set: [], dtype: undefined, seed: undefined };
  return recipeFromFlags({ ...flags, method: 'ties' });
}

function linear(...experts: readonly string[]): MergeRecipe {
  const flags = { base: undefined, experts, set: [], dtype: undefined, seed: undefined };
  return recipeFromFlags({ ...flags, method: 'linear' });
}

async function planned(recipe: MergeRecipe): Promise<MergePlan> {
  const { plan, findings } = await prepare(recipe);
  if (plan === undefined) throw new Error(JSON.stringify(findings, null, 2));
  return plan;
}

function without(shapes: Shapes, ...names: readonly string[]): Shapes {
  return Object.fromEntries(Object.entries(shapes).filter(([name]) => !names.includes(name)));
}

test('models that fit are merged tensor by tensor, without a finding', async () => {
  const { plan, findings, needs } = await prepare(ties(fine, fine.replace('fine', 'base/../fine')));
  expect(findings).toEqual([]);
  expect(plan?.tensors).toHaveLength(17);
  expect(plan?.tensors[0]).toMatchObject({
    kind: 'merge',
    name: 'model.embed_tokens.weight',
    dtype: 'F32',
    base: { checkpoint: 0, tensor: 'model.embed_tokens.weight' },
    experts: [{ checkpoint: 1 }, { checkpoint: 2 }],
  });
  const values = 2 * 6 * 4 + 4 + 2 * (4 + 4 * 16 + 64);
  expect(needs).toMatchObject({ parameterCount: values, outputBytes: 4 * values });
  expect(plan?.companions.map(({ name }) => name)).toEqual([
    'config.json',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
});

interface FindingCase {
  readonly id: string;
  readonly recipe: () => Promise<MergeRecipe>;
  readonly severity?: string;
  readonly what: RegExp;
  readonly count?: number;
  readonly fix?: string;
  readonly options?: () => Partial<PrepareOptions>;
}

const cases: readonly FindingCase[] = [
  {
    id: 'missing_tensors',
    recipe: async () => {
      const short = without(llama(), 'model.norm.weight', 'lm_head.weight');
      return ties(fine, await storeModel(at('short'), short));
    },
    severity: 'error',
    what: /short lacks 2 tensors/,
    count: 2,
    fix: 'intersection',
  },
  {
    id: 'missing_tensors',
    recipe: async () => {
      const names = Object.entries(llama()).map(([name, row]) => [`net.${name}`, row] as const);
      return ties(await storeModel(at('wrapped'), Object.fromEntries(names)));
    },
    what: /wrapped lacks 17 tensors/,
    count: 17,
    fix: 'rename=net.:',
  },
  {
    id: 'extra_tensors',
    recipe: async () =>
      ties(await storeModel(at('extra'), { ...llama(), 'score.weight': { shape: [2, 4] } })),
    severity: 'warning',
    what: /extra has 1 tensors that the first model lacks/,
    count: 1,
  },
  {
    id: 'shape_mismatch',
    recipe: async () => ties(await storeModel(at('wide'), llama({ inner: 12 }))),
    what: /4 tensors of another shape .* \[12, 4\] instead of \[8, 4\]/,
    count: 4,
    fix: 'intersection',
  },
  {
    id: 'vocabulary',
    recipe: async () => ties(await storeModel(at('more-tokens'), llama({ vocabulary: 8 }))),
    severity: 'error',
    what: /more-tokens has 8 rows of tokens, .*base has 6/,
    count: 2,
    fix: 'embeddings=crop',
  },
  {
    id: 'tied_head',
    recipe: async () => {
      const tied = { tied: true };
      return ties(await storeModel(at('tied'), llama(tied), llamaConfig(tied)));
    },
    severity: 'warning',
    what: /tied uses its embeddings as "lm_head.weight"/,
  },
  {
    id: 'dtype_unsupported',
    recipe: async () => ties(await storeModel(at('fp8'), llama({ dtype: 'F8_E4M3' }))),
    what: /17 tensors of type F8_E4M3/,
    count: 17,
    fix: 'intersection',
  },
  {
    id: 'mixed_dtypes',
    recipe: async () => ties(await storeModel(at('half'), llama({ dtype: 'BF16' }))),
    severity: 'info',
    what: /base: F32; .*half: BF16/,
  },
  {
    id: 'architecture',
    recipe: async () => {
      const config = { ...llamaConfig(), num_attention_heads: 4 };
      return ties(await storeModel(at('heads'), llama(), config));
    },
    severity: 'warning',
    what: /num_attention_heads 4 instead of 2/,
  },
  {
    id: 'tokenizers_differ',
    recipe: async () =>
      ties(await storeModel(at('other-tokens'), llama(), llamaConfig(), tokenizerOf('b', 'a'))),
    severity: 'warning',
    what: /other-tokens and .*base have different vocabularies/,
  },
  {
    id: 'vocabulary_merge',
    recipe: async () =>
      ties(await storeModel(at('other-tokens'), llama(), llamaConfig(), tokenizerOf('b', 'a'))),
    options: () => ({ oneVocabulary: 'm.yml, line 2' }),
    severity: 'error',
    what: /m\.yml, line 2 asks for one tokenizer/,
  },
  {
    id: 'base_missing',
    recipe: async () => {
      const recipe = ties(fine);
      const [slice] = recipe.slices;
      return { ...recipe, slices: [{ ...slice!, base: undefined }] };
    },
    what: /"ties" needs the model/,
    fix: 'base=PLACE/fine',
  },
  {
    id: 'expert_count',
    recipe: async () => {
      const flags = { base, experts: [fine, fine], dtype: undefined, seed: undefined };
      return recipeFromFlags({ ...flags, method: 'slerp', set: ['t=0.5'] });
    },
    what: /"slerp" merges exactly 1 model beside the base; 2 are given/,
  },
  {
    id: 'same_model',
    recipe: async () => linear(fine, fine),
    severity: 'warning',
    what: /more than once/,
  },
  {
    id: 'model_unreadable',
    recipe: async () => ties(at('nowhere')),
    what: /nowhere/,
  },
  {
    id: 'adapter_alone',
    recipe: async () => {
      const adapter = at('adapter');
      await mkdir(adapter);
      await writeFile(join(adapter, 'adapter_config.json'), '{}');
      await writeFile(join(adapter, 'adapter_model.safetensors'), '');
      return ties(adapter);
    },
    what: /write MODEL\+.*adapter/,
  },
  {
    id: 'filter_unused',
    recipe: async () => ({
      ...ties(fine),
      parameters: { weight: [{ filter: 'atn', value: 1 }, { value: 2 }] },
    }),
    severity: 'warning',
    what: /no tensor has "atn" in its name/,
  },
  {
    id: 'gradient_without_layers',
    recipe: async () => {
      const plain = await storeModel(at('plain'), { weight: { shape: [4] } }, null);
      return { ...linear(plain), parameters: { weight: [0, 1] } };
    },
    severity: 'warning',
    what: /"weight" changes over the layers/,
  },
  {
    id: 'varying_pass',
    recipe: async () => ({ ...ties(fine), parameters: { density: [0.2, 0.5] } }),
    what: /"density" differs between tensors/,
  },
  {
    id: 'layers_out_of_range',
    recipe: async () => layersOf([0, 3]),
    what: /layers 0 to 3 are asked of .*fine, which has 2/,
  },
  {
    id: 'layers_unclear',
    recipe: async () => {
      const plain = await storeModel(at('plain'), { weight: { shape: [4] } }, null);
      const experts = [{ model: plain, layers: [0, 1] as const, parameters: {} }];
      return { ...linear(plain), slices: [{ experts, parameters: {} }] };
    },
    what: /no numbered layers/,
  },
  {
    id: 'nothing_to_merge',
    recipe: async () => {
      const counter = { steps: { shape: [1], dtype: 'I64' as const } };
      return linear(await storeModel(at('counter'), counter, undefined));
    },
    what: /no tensor is left/,
  },
  {
    id: 'output_exists',
    recipe: async () => ties(fine),
    options: () => ({ out: base }),
    what: /base is there already/,
  },
  {
    id: 'disk_space',
    recipe: async () => {
      const shapes = { weight: { shape: [2 ** 20, 2 ** 21], dtype: 'BF16' as const } };
      return linear(await storeModel(at('vast'), shapes, undefined));
    },
    options: () => ({ out: at('out') }),
    what: /the result takes 4\.4 TB/,
  },
  {
    id: 'memory',
    recipe: async () => ties(fine),
    options: () => ({ ceilingBytes: 2 ** 20 }),
    what: /needs .* MiB of memory, 1 MiB are allowed/,
  },
  {
    id: 'note',
    recipe: async () => ties(fine),
    options: () => ({ notes: ['int8_mask has no effect'] }),
    severity: 'info',
    what: /int8_mask/,
  },
];

function layersOf(...ranges: readonly (readonly [number, number])[]): MergeRecipe {
  return {
    ...linear(fine),
    slices: ranges.map((layers) => ({
      experts: [{ model: fine, layers, parameters: {} }],
      parameters: {},
    })),
  };
}

describe('findings', () => {
  test.each(cases)('$id: $what', async ({ id, recipe, severity, what, count, fix, options }) => {
    const { findings, plan } = await prepare(await recipe(), options?.());
    const found = findings.find((row) => row.id === id);
    if (found === undefined) throw new Error(JSON.stringify(findings, null, 2));
    expect(found.what).toMatch(what);
    expect(found.severity).toBe(severity ?? 'error');
    if (count !== undefined) expect(found.tensors.count).toBe(count);
    expect(found.tensors.examples.length).toBeLessThanOrEqual(3);
    expect(found.fix?.replace(folder, 'PLACE')).toBe(fix);
    const stopped = findings.some((row) => row.severity === 'error');
    expect(plan === undefined).toBe(stopped);
  });
});

describe('fixes', () => {
  const fixed = (recipe: MergeRecipe, ...fixes: readonly string[]): MergeRecipe =>
    fixes.reduce((done, fix) => applyFix(done, fix, '--fix'), recipe);

  test('intersection copies from the base what not all have alike', async () => {
    const short = without(llama({ inner: 12 }), 'model.norm.weight');
    const recipe = fixed(ties(await storeModel(at('few'), short)), 'intersection');
    const plan = await planned(recipe);
    const copies = plan.tensors.filter(({ kind }) => kind === 'copy');
    expect(copies.map(({ name }) => name)).toEqual([
      ...[0, 1].flatMap((n) => [
        `model.layers.${n}.mlp.up_proj.weight`,
        `model.layers.${n}.mlp.down_proj.weight`,
      ]),
      'model.norm.weight',
    ]);
    expect(copies[0]).toMatchObject({ from: { checkpoint: 0 } });
    expect(plan.recipe).toContain('fixes:\n  - intersection\n');
  });

  test('a rename rule makes the names fit', async () => {
    const names = Object.entries(llama()).map(([name, row]) => [`net.${name}`, row] as const);
    const model = await storeModel(at('renamed'), Object.fromEntries(names));
    const plan = await planned(fixed(ties(model), 'rename=net.:'));
    expect(plan.tensors.every(({ kind }) => kind === 'merge')).toBe(true);
  });

  test('a base is taken from among the experts', async () => {
    const recipe = ties(base, fine);
    const bare = { ...recipe, slices: [{ ...recipe.slices[0]!, base: undefined }] };
    const plan = await planned(fixed(bare, `base=${base}`));
    expect(plan.tensors[0]).toMatchObject({
      base: { checkpoint: 0 },
      experts: [{ checkpoint: 1 }],
    });
  });

  test('cast rounds every tensor, also those that are only copied', async () => {
    const model = await storeModel(at('no-norm'), without(llama(), 'model.norm.weight'));
    const plan = await planned(fixed(ties(model), 'intersection', 'cast=bf16'));
    const kinds = new Map(plan.tensors.map((row) => [row.name, row]));
    expect(kinds.get('model.norm.weight')).toMatchObject({ kind: 'cast', dtype: 'BF16' });
    expect(kinds.get('lm_head.weight')).toMatchObject({ kind: 'merge', dtype: 'BF16' });
    expect(plan.companions[0]).toMatchObject({ text: /"torch_dtype": "bfloat16"/ });
  });

  describe('of vocabularies', () => {
    const rows = (...values: readonly number[]) => values.flatMap((value) => [value, value]);
    const tokens = (...values: readonly number[]) => ({
      'model.embed_tokens.weight': { shape: [values.length, 2], data: rows(...values) },
      'model.norm.weight': { shape: [2] },
    });
    const sized = (count: number) => llamaConfig({ vocabulary: count });

    async function merged(fix: string): Promise<{ plan: MergePlan; values: readonly number[][] }> {
      const few = await storeModel(at('few-tokens'), tokens(1, 2), sized(2));
      const many = await storeModel(at('many-tokens'), tokens(3, 4, 5), sized(3), tokenizerOf('x'));
      const recipe = fixed(linear(few, many), fix);
      const prepared = await prepareMerge(recipe, limits);
      const { plan } = prepared;
      if (plan === undefined) throw new Error(JSON.stringify(prepared.findings));
      const tensors = plan.checkpoints.map((model) => model.read('model.embed_tokens.weight'));
      const values = (await Promise.all(tensors)).map(({ data }) => [...data]);
      await prepared.close();
      return { plan, values };
    }

    test('crop keeps the rows all have', async () => {
      const { plan, values } = await merged('embeddings=crop');
      expect(values).toEqual([rows(1, 2), rows(3, 4)]);
      expect(plan.tensors[0]).toMatchObject({ shape: [2, 2] });
      expect(plan.companions[0]).toMatchObject({ text: /"vocab_size": 2,/ });
    });

    test('keep takes rows over from the model that has them, and its tokenizer', async () => {
      const { plan, values } = await merged('embeddings=keep');
      expect(values).toEqual([rows(1, 2, 5), rows(3, 4, 5)]);
      expect(plan.tensors[0]).toMatchObject({ shape: [3, 2] });
      expect(plan.companions[0]).toMatchObject({ text: /"vocab_size": 3,/ });
      const tokenizer = plan.companions.find(({ name }) => name === 'tokenizer.json');
      expect(tokenizer).toMatchObject({ from: join(at('many-tokens'), 'tokenizer.json') });
    });
  });
});

test('layers are stacked anew, and config.json counts them', async () => {
  const recipe = layersOf([1, 2], [0, 2]);
  const plan = await planned(recipe);
  const source = plan.tensors.flatMap((row) =>
    row.name.includes('q_proj') && row.kind === 'merge' ? [[row.name, row.experts[0]?.tensor]] : [],
  );
  const name = (n: number) => `model.layers.${n}.self_attn.q_proj.weight`;
  expect(source).toEqual([
    [name(0), name(1)],
    [name(1), name(0)],
    [name(2), name(1)],
  ]);
  expect(plan.tensors[0]?.name).toBe('model.embed_tokens.weight');
  expect(plan.tensors.at(-1)?.name).toBe('lm_head.weight');
  expect(plan.companions[0]).toMatchObject({ text: /"num_hidden_layers": 3,/ });
});

test('a tied model stands in for a head with its embeddings; the result has its own', async () => {
  const tied = { tied: true };
  const model = await storeModel(at('tied-base'), llama(tied), llamaConfig(tied));
  const plan = await planned(linear(model, fine));
  const head = plan.tensors.find(({ name }) => name === 'lm_head.weight');
  expect(head).toMatchObject({
    experts: [
      { checkpoint: 0, tensor: 'model.embed_tokens.weight' },
      { checkpoint: 1, tensor: 'lm_head.weight' },
    ],
  });
  expect(plan.companions[0]).toMatchObject({ text: /"tie_word_embeddings": false/ });
});

test('model+adapter is the model with the adapter applied', async () => {
  const name = 'self_attn.q_proj';
  const factor = (letter: string) =>
    `base_model.model.model.layers.0.${name}.lora_${letter}.weight`;
  const adapter = at('lora');
  await mkdir(adapter);
  const config = { peft_type: 'LORA', r: 1, lora_alpha: 2, target_modules: ['q_proj'] };
  await writeFile(join(adapter, 'adapter_config.json'), JSON.stringify(config));
  await writeShapes(join(adapter, 'adapter_model.safetensors'), {
    [factor('A')]: { shape: [1, 4], data: [1, 2, 3, 4] },
    [factor('B')]: { shape: [4, 1], data: [1, 0, 0, -1] },
  });
  const prepared = await prepareMerge(linear(fine, `${fine}+${adapter}`), limits);
  const read = (index: number, layer: number) =>
    prepared.plan?.checkpoints[index]?.read(`model.layers.${layer}.${name}.weight`);
  const zeros = (count: number) => Array.from({ length: count }, () => 0);
  // The model is zero; alpha / r is 2.
  expect([...(await read(1, 0))!.data]).toEqual([2, 4, 6, 8, ...zeros(8), -2, -4, -6, -8]);
  expect([...(await read(1, 1))!.data]).toEqual(zeros(16));
  expect([...(await read(0, 0))!.data]).toEqual(zeros(16));
  await prepared.close();
});

test('a chat template goes into the tokenizer, "auto" is that of most models', async () => {
  const other = await storeModel(at('talks'), llama(), llamaConfig(), {
    ...tokenizerOf('a', 'b'),
    'chat_template.jinja': 'more',
  });
  const twin = at('talks-too');
  await symlink(other, twin);
  const plan = await planned({ ...ties(other, twin), chatTemplate: 'auto' });
  expect(plan.companions.find(({ name }) => name === 'chat_template.jinja')).toMatchObject({
    text: 'more',
  });
  expect(plan.recipe).toContain('chat_template: more\n');
});

test('a set of 100 GB is checked in under a second', async () => {
  const shapes = llama({
    layers: 96,
    vocabulary: 32_000,
    width: 4096,
    inner: 13_824,
    dtype: 'BF16',
  });
  const paths = await Promise.all(
    ['big-base', 'big-a', 'big-b'].map((name) =>
      storeModel(at(name), shapes, llamaConfig({ layers: 96, vocabulary: 32_000 })),
    ),
  );
  const flags = { base: paths[0], experts: paths.slice(1), dtype: undefined, seed: undefined };
  const recipe = recipeFromFlags({ ...flags, method: 'ties', set: ['lambda=[0.2,0.8]'] });
  const begin = performance.now();
  const { plan, findings, needs } = await prepare(recipe, { out: undefined });
  const ms = performance.now() - begin;
  expect(findings).toEqual([]);
  expect(plan?.tensors).toHaveLength(675);
  const passes =
    1 + (plan?.method.passes?.(plan.settings.parameters, plan.settings.settings).length ?? 0);
  expect((needs?.inputBytes ?? 0) / passes).toBeGreaterThan(100e9);
  expect(ms).toBeLessThan(1000);
});
