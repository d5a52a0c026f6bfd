import { describe, expect, test } from 'vitest';
import {
  isVarying,
  settingsSchema,
  valueAt,
  type ParameterSetting,
} from '../../../../main/merging/planning/values.ts';

const at = (setting: ParameterSetting, depth: number, name = 'model.layers.0.mlp.up_proj.weight') =>
  valueAt(setting, { name, depth });

describe('a gradient', () => {
  // The points lie at equal distances; worked out by hand.
  test.each([
    [[0, 1], 0, 0],
    [[0, 1], 0.25, 0.25],
    [[0, 1], 1, 1],
    [[0, 0.5, 0.3, 0.7, 1], 1 / 3, 0.5 + (1 / 3) * (0.3 - 0.5)],
    [[0, 0.5, 0.3, 0.7, 1], 0.5, 0.3],
    [[4], 0.7, 4],
    [[1, 3, -1], 0.75, 1],
  ])('%j at depth %d is %d', (points, depth, expected) => {
    expect(at(points, depth)).toBeCloseTo(expected, 12);
  });

  test('of words goes in steps', () => {
    expect([0, 0.4, 0.5, 1].map((depth) => at(['sum', 'mean', 'count'], depth))).toEqual([
      'sum',
      'sum',
      'mean',
      'count',
    ]);
  });
});

describe('conditions', () => {
  const setting = [
    { filter: 'self_attn', value: [0, 1] },
    { filter: 'mlp', value: 0.25 },
    { value: 0.5 },
  ];

  test.each([
    ['model.layers.1.self_attn.q_proj.weight', 0.75],
    ['model.layers.1.mlp.up_proj.weight', 0.25],
    ['model.norm.weight', 0.5],
  ])('of %s', (name, expected) => {
    expect(at(setting, 0.75, name)).toBe(expected);
  });

  test('that do not hold leave the value to others', () => {
    expect(at([{ filter: 'attn', value: 1 }], 0)).toBeUndefined();
  });

  test('the first that holds wins, "*" always does', () => {
    const both = [
      { filter: '*', value: 1 },
      { filter: 'mlp', value: 2 },
    ];
    expect(at(both, 0)).toBe(1);
  });
});

test.each<[ParameterSetting, boolean]>([
  [0.5, false],
  [[0.5, 0.5], false],
  [[0.5, 0.6], true],
  [[{ value: 0.5 }], false],
  [[{ value: [0, 1] }], true],
  [[{ filter: 'mlp', value: 0.5 }, { value: 0.5 }], true],
])('%j varies: %s', (setting, expected) => {
  expect(isVarying(setting)).toBe(expected);
});

test('a single condition needs no list, and empty entries say nothing', () => {
  const given = {
    weight: { filter: 'mlp', value: 1 },
    density: null,
    t: [{ filter: null, value: 0 }],
  };
  expect(settingsSchema.parse(given)).toEqual({
    weight: [{ filter: 'mlp', value: 1 }],
    t: [{ value: 0 }],
  });
});
