import { describe, expect, test } from 'vitest';
import { AppError } from '../../../main/lib/errors.ts';
import {
  describeRange,
  resolveParameters,
  type ParameterTable,
} from '../../../main/lib/parameters.ts';

const text = { title: 'Title', help: 'Help.' };
const method = {
  id: 'example',
  parameters: {
    lambda: { kind: 'number', default: 0.3, range: { min: -2, max: 2 }, ...text },
    rank: { kind: 'integer', default: 8, range: { min: 1, max: 64 }, ...text },
    rescale: { kind: 'boolean', default: true, ...text },
    merge: { kind: 'choice', default: 'sum', range: ['sum', 'mean'], ...text },
  },
} as const satisfies { id: string; parameters: ParameterTable };

function errorOf(action: () => unknown): AppError {
  try {
    action();
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error('no AppError was thrown');
}

test('what is left out takes its default', () => {
  expect(resolveParameters(method, {}, 'test')).toEqual({
    lambda: 0.3,
    rank: 8,
    rescale: true,
    merge: 'sum',
  });
});

test('given values are kept, both ends of a range included', () => {
  const given = { lambda: -2, rank: 64, rescale: false, merge: 'mean' };
  expect(resolveParameters(method, given, 'test')).toEqual(given);
});

describe('refused values', () => {
  test.each([
    ['lambda', 2.001, 'a number from -2 to 2'],
    ['lambda', Number.NaN, 'a number from -2 to 2'],
    ['lambda', Infinity, 'a number from -2 to 2'],
    ['lambda', '0.3', 'a number from -2 to 2'],
    ['lambda', null, 'a number from -2 to 2'],
    ['lambda', [0.3], 'a number from -2 to 2'],
    ['rank', 1.5, 'a whole number from 1 to 64'],
    ['rank', 0, 'a whole number from 1 to 64'],
    ['rescale', 1, 'true or false'],
    ['merge', 'max', 'one of sum, mean'],
    ['merge', 0, 'one of sum, mean'],
  ])('%s = %j', (key, value, allowed) => {
    const error = errorOf(() =>
      resolveParameters(method, { [key]: value }, (at) => `line of ${at}`),
    );
    expect(error.code).toBe('recipe.invalid_parameter');
    expect(error.what).toContain(`parameter "${key}" of method "example" is `);
    expect(error.where).toBe(`line of ${key}`);
    expect(error.hint).toContain(allowed);
  });
});

describe('unknown parameters', () => {
  test.each([
    ['lamda', 'did you mean "lambda"?'],
    ['Merge', 'did you mean "merge"?'],
    ['temperature', 'its parameters are: lambda, rank, rescale, merge'],
    ['constructor', 'its parameters are: lambda'],
    ['__proto__x', 'its parameters are: lambda'],
  ])('%s', (key, hint) => {
    const error = errorOf(() => resolveParameters(method, { [key]: 1 }, 'a form'));
    expect(error.code).toBe('recipe.unknown_parameter');
    expect(error.what).toBe(`method "example" has no parameter "${key}"`);
    expect(error.where).toBe('a form');
    expect(error.hint).toContain(hint);
  });

  test('of a method without parameters', () => {
    const none = { id: 'plain', parameters: {} };
    const error = errorOf(() => resolveParameters(none, { lambda: 1 }, 'a form'));
    expect(error.hint).toBe('this method takes no parameters; remove it');
  });
});

test('ranges in words', () => {
  expect(Object.values(method.parameters).map(describeRange)).toEqual([
    'a number from -2 to 2',
    'a whole number from 1 to 64',
    'true or false',
    'one of sum, mean',
  ]);
});
