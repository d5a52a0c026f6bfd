import { describe, expect, test } from 'vitest';
import { methods } from '../../../../main/merging/index.ts';
import {
  mergekitMethods,
  otherMergekitMethods,
} from '../../../../main/merging/planning/mergekit-methods.ts';
import { parseMergekit } from '../../../../main/merging/planning/mergekit-yaml.ts';
import { mergeFileKind } from '../../../../main/merging/planning/read-recipe.ts';
import { expectFailure } from '../../../support/app-errors.ts';

const models = `
models:
  - model: a
    parameters: { weight: 0.5 }
  - model: b
    parameters: { weight: 0.3 }
`;

describe('a mergekit file as a recipe', () => {
  test('linear: the models are the experts; a base counts as one more where it is listed', () => {
    const text = `merge_method: linear\nbase_model: b\ndtype: float16\nparameters: { normalize: false }${models}`;
    expect(parseMergekit(text, 'm.yml').recipe).toMatchObject({
      method: 'linear',
      dtype: 'fp16',
      base: 'b',
      parameters: { normalize: false },
      slices: [
        {
          experts: [
            { model: 'a', parameters: { weight: 0.5 } },
            { model: 'b', parameters: { weight: 0.3 } },
          ],
        },
      ],
    });
  });

  test('ties: the base is apart, its rules are mergekit’s', () => {
    const text = `merge_method: ties\nbase_model: base\nout_dtype: bfloat16\ndtype: float32${models}parameters: { normalize: false, int8_mask: true }`;
    const { recipe, notes } = parseMergekit(text, 'm.yml');
    expect(recipe.slices[0]).toMatchObject({ base: { model: 'base' } });
    expect(recipe.slices[0]?.experts.map(({ model }) => model)).toEqual(['a', 'b']);
    expect(recipe.parameters).toMatchObject({ trim: 'tensor_exact', lambda: 1, merge: 'sum' });
    expect(recipe.dtype).toBe('bf16');
    expect(notes).toEqual([
      'm.yml, line 10, column 33, parameters.int8_mask has no effect: it makes the masks smaller in memory; the result is the same without it',
    ]);
  });

  test('slerp: from the base to the other, wherever the base stands', () => {
    const text = `
merge_method: slerp
base_model: b
slices:
  - sources:
      - { model: a, layer_range: [0, 8] }
      - { model: b, layer_range: [8, 16] }
parameters:
  t:
    - { filter: self_attn, value: [0, 0.5, 1] }
    - { value: 0.5 }
`;
    const { recipe } = parseMergekit(text, 'm.yml');
    expect(recipe.slices[0]).toMatchObject({
      base: { model: 'b', layers: [8, 16] },
      experts: [{ model: 'a', layers: [0, 8] }],
    });
    expect(recipe.parameters['t']).toEqual([
      { filter: 'self_attn', value: [0, 0.5, 1] },
      { value: 0.5 },
    ]);
  });

  test('models as groups, with adapters and revisions', () => {
    const text = `
merge_method: linear
parameters: { weight: 1 }
models:
  - model: { model: { path: a, revision: v2 }, lora: style }
  - model: b+other
`;
    const { recipe } = parseMergekit(text, 'm.yml');
    expect(recipe.slices[0]?.experts.map(({ model }) => model)).toEqual(['a@v2+style', 'b+other']);
  });

  test('rescale is a choice here', () => {
    const text = `merge_method: dare_ties\nbase_model: base${models}parameters: { rescale: false }`;
    expect(parseMergekit(text, 'm.yml').recipe.parameters).toMatchObject({ rescale: 'none' });
  });

  test('what is one value for all has no effect at a model, and that is said', () => {
    const text = `
merge_method: ties
base_model: base
parameters: { weight: 1 }
models:
  - model: a
    parameters: { lambda: 0.5 }
`;
    const { recipe, notes } = parseMergekit(text, 'm.yml');
    expect(recipe.parameters['lambda']).toBe(1);
    expect(notes[0]).toBe(
      'm.yml, line 7, column 19, models[0].parameters.lambda has no effect: it is one value for the whole merge, in mergekit too',
    );
  });

  test.each([
    ['tokenizer_source: base', undefined, 'm.yml, line 2, column 1, tokenizer_source'],
    ['tokenizer_source: union', undefined, 'm.yml, line 2, column 1, tokenizer_source'],
    ['tokenizer: { source: b }', 'b', 'm.yml, line 2, column 14, tokenizer.source'],
  ])('%s asks for one vocabulary', (line, tokenizer, place) => {
    const { recipe, oneVocabulary } = parseMergekit(
      `merge_method: linear\n${line}${models}`,
      'm.yml',
    );
    expect([recipe.tokenizer, oneVocabulary]).toEqual([tokenizer, place]);
  });

  test('a chat template is set by name or as text', () => {
    const of = (value: string) =>
      parseMergekit(`merge_method: linear\nchat_template: ${value}${models}`, 'm.yml').recipe
        .chatTemplate;
    expect(of('"{{ messages }}"')).toBe('{{ messages }}');
    expect(of('auto')).toBe('auto');
    expect(of('chatml')).toContain("{{ '<|im_start|>' + message['role']");
  });
});

describe('parameters of mergekit under our names', () => {
  test.each(Object.entries(mergekitMethods))('%s: the table fits the record', (id, rules) => {
    const method = methods.find((record) => record.id === id);
    const own = { ...method?.parameters, ...method?.perExpert };
    for (const key of rules.required ?? []) expect(own).toHaveProperty(key);
    for (const [key, rule] of Object.entries(rules.parameters ?? {})) {
      if ('ignored' in rule) expect(own).not.toHaveProperty(key);
      else {
        const parameter = own[rule.name];
        const range = parameter?.kind === 'choice' ? parameter.range : [true, false];
        for (const value of Object.values(rule.values)) expect(range).toContain(value);
      }
    }
  });

  const inputs = 'models: [{ model: a }, { model: b }]';
  test.each([
    ['nuslerp', '{ weight: 1, nuslerp_flatten: false, nuslerp_row_wise: true }', 'column'],
    ['nuslerp', '{ weight: 1, nuslerp_row_wise: false, nuslerp_flatten: false }', 'row'],
    ['nuslerp', '{ weight: 1, nuslerp_row_wise: true }', 'tensor'],
  ])('%s %s: vectors are of a %s', (id, parameters, vectors) => {
    const text = `merge_method: ${id}\n${inputs}\nparameters: ${parameters}`;
    expect(parseMergekit(text, 'm.yml').recipe.parameters).toEqual({ weight: 1, vectors });
  });

  test('multislerp', () => {
    const text = `merge_method: multislerp\n${inputs}\nparameters: { weight: 1, normalize_weights: false, eps: 1e-8 }`;
    const { recipe, notes } = parseMergekit(text, 'm.yml');
    expect(recipe.parameters).toEqual({ weight: 1, normalize: false });
    expect(notes).toHaveLength(1);
  });
});

describe('what cannot be done is one error with its place', () => {
  const linear = `merge_method: linear${models}`;
  const cases: readonly (readonly [string, string, string, RegExp, RegExp])[] = [
    [
      'misspelt key',
      `${linear}out_dtpye: float16`,
      'recipe.invalid',
      /line 7, column 1/,
      /did you mean "out_dtype"/,
    ],
    [
      'two forms',
      `${linear}slices:\n  - sources: [{ model: a, layer_range: [0, 1] }]`,
      'recipe.invalid',
      /line 7, column 1, slices/,
      /keep one/,
    ],
    ['neither form', 'merge_method: linear', 'recipe.invalid', /m\.yml/, /add "models"/],
    [
      'modules',
      `${linear}modules: {}`,
      'recipe.unsupported',
      /line 7, column 1, modules/,
      /one file/,
    ],
    [
      'token merging',
      `${linear}tokenizer: { source: base, tokens: { x: {} } }`,
      'recipe.unsupported',
      /line 7, column 28, tokenizer\.tokens/,
      /tokenizers agree/,
    ],
    [
      'a padded vocabulary',
      `${linear}tokenizer: { pad_to_multiple_of: 64 }`,
      'recipe.unsupported',
      /line 7, column 14, tokenizer\.pad_to_multiple_of/,
      /tokenizers agree/,
    ],
    [
      'another architecture',
      'merge_method: linear\nmodels:\n  - model: { model: a, override_architecture: LlamaForCausalLM }',
      'recipe.invalid',
      /line 3, column \d+, models\[0\]\.model\.override_architecture/,
      /left out: names and shapes/,
    ],
    [
      'a mixture of experts',
      'base_model: a\ngate_mode: hidden\nexperts: [{ source_model: b, positive_prompts: [x] }]',
      'recipe.unsupported',
      /^m\.yml$/,
      /write "merge_method"/,
    ],
    [
      'an evolution',
      'genome: { models: [a, b], merge_method: linear }\ntasks: []',
      'recipe.unsupported',
      /^m\.yml$/,
      /write "merge_method"/,
    ],
    [
      'several merges in a file',
      `name: first\n${linear}---\nname: second${linear}`,
      'recipe.unreadable',
      /line \d+/,
      /indentation/,
    ],
    [
      'two tokenizers',
      `${linear}tokenizer: { source: base }\ntokenizer_source: base`,
      'recipe.invalid',
      /line 8, column 1/,
      /keep one/,
    ],
    [
      'residual weight',
      'merge_method: passthrough\nslices:\n  - residual_weight: 0.1\n    sources: [{ model: a, layer_range: [0, 1] }]',
      'recipe.unsupported',
      /line 3, column 5, slices\[0\]\.residual_weight/,
      /remove it/,
    ],
    [
      'unknown method',
      `merge_method: slirp${models}`,
      'recipe.unknown_method',
      /line 1, column 1, merge_method/,
      /did you mean "slerp"/,
    ],
    [
      'method without counterpart',
      `merge_method: nearswap${models}`,
      'recipe.unsupported',
      /line 1, column 1, merge_method/,
      /available: linear/,
    ],
    [
      'unknown parameter',
      `${linear}parameters: { weigth: 1 }`,
      'recipe.unknown_parameter',
      /line 7, column 15, parameters\.weigth/,
      /did you mean "weight"/,
    ],
    [
      'value out of range',
      `${linear}parameters: { normalize: 3 }`,
      'recipe.invalid_parameter',
      /line 7, column 15, parameters\.normalize/,
      /true or false/,
    ],
    [
      'a point of a gradient out of range',
      `merge_method: ties\nbase_model: c${models}parameters: { density: [0.2, 1.5] }`,
      'recipe.invalid_parameter',
      /line 8, column 15, parameters\.density/,
      /from 0 to 1/,
    ],
    [
      'a wrong setting',
      `${linear}parameters: { weight: { filtre: x } }`,
      'recipe.invalid',
      /line 7, column 25, parameters\.weight\.filtre/,
      /did you mean "filter"\? known keys: filter, value/,
    ],
    [
      'missing weight',
      'merge_method: linear\nmodels:\n  - model: a\n    parameters: { weight: 1 }\n  - model: b',
      'recipe.invalid',
      /line 5, column 5, models\[1\]/,
      /add weight/,
    ],
    [
      'an added base without weight',
      `merge_method: linear\nbase_model: c${models}`,
      'recipe.invalid',
      /line 3, column 1, models/,
      /add weight/,
    ],
    [
      'missing t',
      `merge_method: slerp\nbase_model: a\nmodels: [{ model: a }, { model: b }]`,
      'recipe.invalid',
      /line 3/,
      /add t to the parameters/,
    ],
    [
      'no base',
      `merge_method: ties${models}`,
      'recipe.invalid',
      /line 1, column 1, merge_method/,
      /add base_model/,
    ],
    [
      'base outside of the slice',
      'merge_method: ties\nbase_model: c\nslices:\n  - sources: [{ model: a, layer_range: [0, 1], parameters: { weight: 1 } }]',
      'recipe.invalid',
      /slices\[0\]\.sources/,
      /layer_range/,
    ],
    [
      'a model twice',
      'merge_method: linear\nparameters: { weight: 1 }\nmodels: [{ model: a }, { model: a }]',
      'recipe.invalid',
      /models\[1\]\.model/,
      /each model once/,
    ],
    [
      'unknown dtype',
      `${linear}dtype: int4`,
      'recipe.invalid',
      /line 7, column 1, dtype/,
      /"bfloat16"/,
    ],
    [
      'bad layer range',
      'merge_method: passthrough\nslices:\n  - sources: [{ model: a, layer_range: [0] }]',
      'recipe.invalid',
      /layer_range/,
      /a list of 2 entries/,
    ],
    [
      'unknown template',
      `${linear}chat_template: exaone`,
      'recipe.unsupported',
      /line 7, column 1, chat_template/,
      /auto, chatml/,
    ],
    ['no YAML', 'merge_method: [', 'recipe.unreadable', /line 1/, /indentation/],
  ];

  test.each(otherMergekitMethods)('mergekit’s method %s', async (id) => {
    const text = `merge_method: ${id}${models}`;
    const failure = await expectFailure(() => parseMergekit(text, 'm.yml'), 'recipe.unsupported');
    expect(failure.what).toContain(`"${id}" is not available here`);
  });

  test('files of its other programs are taken for files of mergekit', () => {
    expect(mergeFileKind('gate_mode: random')).toBe('mergekit');
    expect(mergeFileKind('genome: {}')).toBe('mergekit');
  });

  test.each(cases)('%s', async (_, text, code, where, hint) => {
    const failure = await expectFailure(() => parseMergekit(text, 'm.yml'), code as never);
    expect(failure.where).toMatch(where);
    expect(failure.hint).toMatch(hint);
  });
});
