import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { MergePlan } from '../../../../main/merging/plan.ts';
import { applyFix } from '../../../../main/merging/planning/fixes.ts';
import { recipeFromFlags } from '../../../../main/merging/planning/from-flags.ts';
import { prepareMerge } from '../../../../main/merging/planning/prepare.ts';
import type { MergeRecipe } from '../../../../main/merging/planning/recipe.ts';
import { llama, llamaConfig, storeModel, tokenizerOf, writeShapes } from './models.ts';
import {
  at,
  base,
  fine,
  layersOf,
  limits,
  linear,
  planned,
  prepare,
  ties,
  without,
} from './preparing.ts';

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
