import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatMergeRecipe,
  parseMergeRecipe,
} from '../../../../main/merging/planning/recipe-file.ts';
import type { MergeRecipe } from '../../../../main/merging/planning/recipe.ts';
import { expectFailure } from '../../../support/app-errors.ts';

const number = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0);
const depthValue = fc.oneof(number, fc.array(number, { minLength: 1, maxLength: 4 }));
const setting = fc.oneof(
  depthValue,
  fc.array(fc.record({ filter: fc.constantFrom('mlp', 'attn: "q"'), value: depthValue }), {
    minLength: 1,
    maxLength: 3,
  }),
);
const settings = fc.dictionary(fc.constantFrom('weight', 'density'), setting);
const path = fc.constantFrom('/models/a', '/models/b c', '/models/ü: #x', '/m/a+/l/b');
const layers = fc.constantFrom<readonly [number, number]>([0, 4], [2, 6]);
const sliced = fc.record({
  base: fc.record({ model: path, layers }),
  experts: fc.array(fc.record({ model: path, layers, parameters: settings }), {
    minLength: 1,
    maxLength: 3,
  }),
  parameters: settings,
});
const common = {
  method: fc.constant('ties'),
  seed: fc.nat(),
  dtype: fc.constantFrom('keep' as const, 'bf16' as const),
  parameters: settings,
  fixes: fc.subarray(['intersection', 'embeddings=keep', 'rename=model.:']),
  tokenizer: fc.option(path, { nil: undefined }),
  chatTemplate: fc.option(fc.constant('{% for m in messages %}\n  {{ m }}\n{% endfor %}'), {
    nil: undefined,
  }),
};
const inSlices = fc.record({
  ...common,
  base: fc.option(path, { nil: undefined }),
  slices: fc.array(sliced, { minLength: 1, maxLength: 3 }),
});
const whole = fc
  .record({
    ...common,
    base: path,
    experts: fc.array(fc.record({ model: path, parameters: settings }), {
      minLength: 1,
      maxLength: 3,
    }),
  })
  .map(({ experts, base, ...rest }) => ({
    ...rest,
    base,
    slices: [{ base: { model: base }, experts, parameters: {} }],
  }));

test('the canonical text gives the recipe again, and the same text', () => {
  fc.assert(
    fc.property(fc.oneof(whole, inSlices), (recipe: MergeRecipe) => {
      const text = formatMergeRecipe(recipe);
      const read = parseMergeRecipe(text, 'recipe.yaml');
      expect(read).toEqual(recipe);
      expect(formatMergeRecipe(read)).toBe(text);
    }),
    { numRuns: 200 },
  );
});

const start = 'schema: 1\nmerge: linear\n';

describe('errors', () => {
  test.each([
    ['no models', start, 'recipe.invalid', /has either "experts"/, /recipe\.yaml/],
    [
      'both forms',
      `${start}experts: [{ model: a }]\nslices: [{ experts: [{ model: a }] }]`,
      'recipe.invalid',
      /either/,
      /line 3/,
    ],
    [
      'unknown method',
      'schema: 1\nmerge: lineal\nexperts: [{ model: a }]',
      'recipe.unknown_method',
      /"lineal"/,
      /line 2, column 1/,
    ],
    [
      'newer schema',
      'schema: 2\nmerge: linear\nexperts: [{ model: a }]',
      'recipe.invalid',
      /schema 2/,
      /line 1/,
    ],
    [
      'unknown parameter',
      `${start}experts:\n  - model: a\n    parameters: { wait: 1 }`,
      'recipe.unknown_parameter',
      /"wait"/,
      /line 5, column 19, experts\[0\]\.parameters\.wait/,
    ],
    [
      'a shared value at an expert',
      `${start}experts:\n  - model: a\n    parameters: { normalize: true }`,
      'recipe.invalid_parameter',
      /one value for all/,
      /line 5, column 19/,
    ],
    [
      'unknown fix',
      `${start}experts: [{ model: a }]\nfixes: [union]`,
      'recipe.invalid',
      /"fixes\[0\]"/,
      /line 4, column 9/,
    ],
  ] as const)('%s', async (_, text, code, what, where) => {
    const failure = await expectFailure(() => parseMergeRecipe(text, 'recipe.yaml'), code);
    expect(failure.what).toMatch(what);
    expect(failure.where).toMatch(where);
  });
});
