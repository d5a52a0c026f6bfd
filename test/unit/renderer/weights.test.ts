import { describe, expect, it } from 'vitest';
import type { WeightsMethod, WeightsPlan } from '../../../main/api/weights.ts';
import { factsOf } from '../../../renderer/lib/model-facts.ts';
import { byFamily } from '../../../renderer/lib/method-search.ts';
import {
  countOf,
  inputsText,
  reasonAgainst,
  sizeOf,
} from '../../../renderer/views/weights/words.ts';

describe('sizes and counts that are typed', () => {
  it.each([
    ['2GB', 2e9],
    ['2 gb', 2e9],
    ['1.5 GiB', 1.5 * 2 ** 30],
    ['1,5g', 1.5e9],
    ['800', 800],
    ['  ', null],
    ['GB', undefined],
    ['2 XB', undefined],
    ['-2 GB', undefined],
    ['0', undefined],
    ['9999999 TB', undefined],
  ])('%j is %j bytes', (text, bytes) => {
    expect(sizeOf(text)).toBe(bytes);
  });

  it.each([
    ['', null],
    ['8', 8],
    ['0', undefined],
    ['1025', undefined],
    ['2.5', undefined],
    ['two', undefined],
  ])('%j is %j threads', (text, threads) => {
    expect(countOf(text)).toBe(threads);
  });
});

describe('a method', () => {
  const method = (id: string, family: string, summary = '') => ({ id, title: id, family, summary });
  const methods = [
    method('ties', 'Sparsified', 'Elects signs.'),
    method('linear', 'Averaging', 'The mean.'),
    method('dare', 'Sparsified', 'Drops at random.'),
  ];

  it('is found by all of the words, under the heading of its family', () => {
    expect(byFamily(methods, '').map(({ family }) => family)).toEqual(['Sparsified', 'Averaging']);
    expect(byFamily(methods, ' sparsified RANDOM')).toEqual([
      { family: 'Sparsified', methods: [methods[2]] },
    ]);
    expect(byFamily(methods, 'random mean')).toEqual([]);
  });

  it.each([
    [
      'required',
      { min: 2, max: null },
      'Takes 2 or more models and the base they were fine-tuned from.',
    ],
    ['optional', { min: 1, max: 1 }, 'Takes 1 model; a base if there is one.'],
    ['unused', { min: 2, max: 3 }, 'Takes 2 to 3 models.'],
  ] as const)('with a base that is %s says what it takes', (base, experts, text) => {
    expect(inputsText({ base, experts } as WeightsMethod)).toBe(text);
  });
});

describe('the reason why a merge cannot start', () => {
  const plan: WeightsPlan = {
    findings: [],
    needs: null,
    location: null,
    unfinished: false,
    recipe: '',
  };
  const ready = {
    models: 2,
    output: 'a'.repeat(32),
    busy: false,
    plan,
    failed: false,
    checking: false,
    scanned: [],
  };
  const finding = (severity: 'error' | 'warning') => ({
    ...plan,
    findings: [
      {
        severity,
        title: 'Missing tensors',
        what: '',
        tensors: { examples: [], count: 0 },
        fixes: [],
      },
    ],
  });

  it.each([
    ['nothing', {}, undefined],
    ['a run', { busy: true }, 'A run or a merge is going on; one goes on at a time.'],
    ['no model', { models: 0, plan: undefined }, 'Add the models to merge.'],
    ['an error', { plan: finding('error') }, 'Missing tensors: see “Before you merge”.'],
    ['a warning', { plan: finding('warning') }, undefined],
    [
      'an error among the values',
      { scanned: finding('error').findings },
      'Missing tensors: see “Before you merge”.',
    ],
    ['a failure', { failed: true, plan: undefined }, 'See “Before you merge” for what is wrong.'],
    ['no place', { output: null }, 'Choose where the result goes.'],
    ['an edit a moment ago', { checking: true }, 'Being checked …'],
  ] as const)('is said of %s', (_what, change, reason) => {
    expect(reasonAgainst({ ...ready, ...change })).toBe(reason);
  });
});

it('the facts of a model are one line', () => {
  const card = {
    title: 'x',
    location: '/x',
    kind: 'model' as const,
    architecture: null,
    format: 'safetensors',
    dtypes: ['BF16', 'F32'],
    parameterCount: 1_100_000_000,
    bytes: 2.2e9,
    tensorCount: 201,
    madeFor: null,
    notes: [],
  };
  expect(factsOf(card)).toBe(
    'architecture unknown · safetensors · BF16 and F32 · 1.1\u00a0B parameters · 201 tensors · 2.2\u00a0GB',
  );
});
