import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { recipeFromFlags } from '../../../../main/merging/planning/from-flags.ts';
import { type PrepareOptions } from '../../../../main/merging/planning/prepare.ts';
import type { MergeRecipe } from '../../../../main/merging/planning/recipe.ts';
import { llama, llamaConfig, storeModel, tokenizerOf } from './models.ts';
import { at, base, fine, folder, layersOf, linear, prepare, ties, without } from './preparing.ts';

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
    id: 'varying_pass',
    recipe: async () => ({
      ...ties(fine),
      method: 'sce',
      parameters: { select_topk: [{ filter: 'mlp', value: 0.1 }, { value: 0.5 }] },
    }),
    severity: 'error',
    what: /"select_topk" differs between tensors, but "sce" takes one share/,
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
