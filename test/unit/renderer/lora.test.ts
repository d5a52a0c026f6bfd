import { describe, expect, it } from 'vitest';
import type { LoraPlan } from '../../../main/api/lora.ts';
import {
  draftOf,
  emptyForm,
  ranksText,
  reasonAgainst,
  type LoraForm,
} from '../../../renderer/views/lora/form.ts';

const [one, other, place] = ['a', 'b', 'c'].map((letter) => letter.repeat(32)) as [
  string,
  string,
  string,
];
const combining: LoraForm = {
  ...emptyForm,
  adapters: [{ handle: one, weight: 0.5 }],
  output: place,
};
const extracting: LoraForm = {
  ...emptyForm,
  action: 'extract',
  tuned: one,
  base: other,
  output: place,
};

describe('the draft of a form', () => {
  it('has what its action needs alone, with the way chosen for it', () => {
    expect(draftOf(combining)).toEqual({
      action: 'combine',
      way: 'cat',
      settings: {},
      adapters: [{ handle: one, weight: 0.5 }],
      output: place,
    });
    expect(
      draftOf({ ...extracting, extract: { way: 'energy', settings: { energy: 0.5 } } }),
    ).toEqual({
      action: 'extract',
      way: 'energy',
      settings: { energy: 0.5 },
      tuned: one,
      base: other,
      output: place,
    });
  });

  it('is missing as long as a part is', () => {
    expect(draftOf(emptyForm)).toBeUndefined();
    expect(draftOf({ ...extracting, base: null })).toBeUndefined();
    expect(draftOf({ ...extracting, tuned: null })).toBeUndefined();
  });
});

describe('the reason why it cannot start', () => {
  const plan: LoraPlan = {
    findings: [],
    weightCount: 1,
    ranks: { min: 2, max: 2 },
    outputBytes: 100,
    freeDiskBytes: null,
    location: null,
  };
  const ready = { form: combining, busy: false, plan, failed: false, checking: false };
  const found = (severity: 'error' | 'warning') => ({
    ...plan,
    findings: [{ severity, title: 'The result exists already', what: '' }],
  });

  it.each([
    ['nothing', {}, undefined],
    ['a run', { busy: true }, 'A run or a merge is going on; one goes on at a time.'],
    ['no adapter', { form: emptyForm }, 'Add the adapters to combine.'],
    [
      'no fine-tuned model',
      { form: { ...extracting, tuned: null } },
      'Choose the fine-tuned model.',
    ],
    ['no base', { form: { ...extracting, base: null } }, 'Choose the base it was tuned from.'],
    ['an extraction that is ready', { form: extracting }, undefined],
    ['no place', { form: { ...combining, output: null } }, 'Choose where the adapter goes.'],
    ['an error', { plan: found('error') }, 'The result exists already: see “Before you start”.'],
    ['a warning', { plan: found('warning') }, undefined],
    ['a failure', { failed: true, plan: undefined }, 'See “Before you start” for what is wrong.'],
    ['an edit a moment ago', { checking: true }, 'Being checked …'],
  ] as const)('is said of %s', (_what, change, reason) => {
    expect(reasonAgainst({ ...ready, ...change })).toBe(reason);
  });
});

it('one rank is one word', () => {
  expect(ranksText({ min: 8, max: 8 })).toBe('rank 8');
  expect(ranksText({ min: 4, max: 16 })).toBe('ranks 4 to 16');
});
