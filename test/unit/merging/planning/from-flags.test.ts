import { describe, expect, test } from 'vitest';
import { recipeFromFlags } from '../../../../main/merging/planning/from-flags.ts';
import { applyFix } from '../../../../main/merging/planning/fixes.ts';
import { expectFailure } from '../../../support/app-errors.ts';

const flags = (method: string, ...set: readonly string[]) =>
  recipeFromFlags({
    method,
    base: 'base',
    experts: ['a', 'b'],
    set,
    dtype: undefined,
    seed: undefined,
  });

test('one value is for all, a list for each expert, brackets are a gradient', () => {
  const recipe = flags('ties', 'density=0.3', 'weight=0.5,-0.3', 'lambda=[0.2,1]', 'trim=tensor');
  expect(recipe).toEqual({
    method: 'ties',
    seed: 0,
    dtype: 'keep',
    base: 'base',
    slices: [
      {
        base: { model: 'base' },
        experts: [
          { model: 'a', parameters: { weight: 0.5 } },
          { model: 'b', parameters: { weight: -0.3 } },
        ],
        parameters: {},
      },
    ],
    parameters: { density: 0.3, lambda: [0.2, 1], trim: 'tensor' },
    fixes: [],
  });
});

test('a base without influence only gives the configuration', () => {
  expect(flags('linear', 'normalize=false')).toMatchObject({
    base: 'base',
    slices: [{ base: undefined }],
    parameters: { normalize: false },
  });
});

describe('errors', () => {
  test.each([
    ['no value', () => flags('ties', 'density'), 'recipe.invalid_parameter', /no setting/, '--set'],
    [
      'too many values',
      () => flags('ties', 'weight=1,2,3'),
      'recipe.invalid_parameter',
      /3 values for 2 experts/,
      '--set weight',
    ],
    [
      'out of range',
      () => flags('ties', 'density=1.5'),
      'recipe.invalid_parameter',
      /is 1\.5/,
      '--set density',
    ],
    [
      'out of range for one',
      () => flags('ties', 'density=0.5,1.5'),
      'recipe.invalid_parameter',
      /is 1\.5/,
      '--set density',
    ],
    [
      'unknown',
      () => flags('ties', 'dnsity=1'),
      'recipe.unknown_parameter',
      /"dnsity"/,
      '--set dnsity',
    ],
    ['unknown method', () => flags('teis'), 'recipe.unknown_method', /"teis"/, '--method'],
    [
      'unknown fix',
      () => applyFix(flags('ties'), 'intersect', '--fix'),
      'recipe.unknown_fix',
      /"intersect"/,
      '--fix',
    ],
    [
      'cast to nothing',
      () => applyFix(flags('ties'), 'cast=int8', '--fix'),
      'recipe.unknown_fix',
      /cast=int8/,
      '--fix',
    ],
  ] as const)('%s', async (_, work, code, what, where) => {
    const failure = await expectFailure(work, code);
    expect(failure.what).toMatch(what);
    expect(failure.where).toBe(where);
  });
});
