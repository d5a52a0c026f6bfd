/**
 * Small merges worked out by other means: three tasks with ties at the quantiles, exact zeros and a
 * position that cancels, and one special case for each trap that implementations have fallen into.
 */
import { describe, expect, test } from 'vitest';
import type { GivenParameters } from '../../../main/lib/parameters.ts';
import { methods } from '../../../main/merging/index.ts';
import type { Group } from '../../../main/merging/method.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { groupOf, runMethod } from './in-memory.ts';

const fp32 = (...values: number[]) => Float32Array.from(values);
const zeros = new Float32Array(10);
const tasks = [
  fp32(0.5, -0.4, 0.3, 0.3, -0.2, 0.1, 0, -0.6, 0.05, 0.02),
  fp32(-0.5, 0.4, 0.2, -0.1, -0.2, 0, 0, 0.7, -0.05, 0.01),
  fp32(0.1, 0.4, -0.3, 0.2, 0.6, -0.1, 0, -0.1, 0.05, 0.03),
];
const three = [groupOf('tasks', zeros, tasks)];
const first = [groupOf('tasks', zeros, tasks.slice(0, 1))];

async function merge(id: string, given: GivenParameters, groups: readonly Group[]) {
  const method = methods.find((candidate) => candidate.id === id)!;
  const [merged] = await runMethod(method, given, groups);
  return [...merged!];
}

const mergekitTies = { density: 0.4, lambda: 1, trim: 'tensor_exact', even_sign: 'positive' };
const weights = [0.5, 0.3, 0.2];

const worked: readonly [string, GivenParameters, readonly Group[], readonly number[]][] = [
  [
    'ties',
    { ...mergekitTies, merge: 'weighted_mean' },
    three,
    [0.5, 0.4, 0.25, 0.2, 0.6, 0, 0, 0.7, 0, 0],
  ],
  [
    'ties',
    { ...mergekitTies, merge: 'weighted_mean', weight: weights },
    three,
    [0.5, 0.4, 0.2625, 0.2, 0.6, 0, 0, -0.6, 0, 0],
  ],
  [
    'ties',
    { ...mergekitTies, merge: 'mean', weigh: 'after_vote' },
    three,
    [0.5, 0.4, 0.25, 0.2, 0.6, 0, 0, 0.7, 0, 0],
  ],
  [
    'ties',
    { ...mergekitTies, merge: 'mean', weigh: 'after_vote', weight: weights },
    three,
    [0.25, 0.1, 0.105, 0.04, 0.12, 0, 0, 0.21, 0, 0],
  ],
  [
    'metagpt',
    {},
    three,
    tasks[0]!.map(
      (_, i) => 0.37437 * tasks[0]![i]! + 0.370525 * tasks[1]![i]! + 0.255105 * tasks[2]![i]!,
    ) as unknown as number[],
  ],
  ['emr', {}, three, [0.5, 0.4, 0.3, 0.3, 0.6, -0.1, 0, -0.6, 0.05, 0.03]],
  [
    'emr',
    { task: 1 },
    three,
    [0.5, 0, 0.3, 0.3, 0, 0, 0, -0.6, 0.05, 0.03].map((x) => 1.38764 * x),
  ],
  ['emr', { task: 2 }, three, [0, 0.4, 0.3, 0, 0, 0, 0, 0, 0, 0.03].map((x) => 2.958904 * x)],
  [
    'emr',
    { task: 3 },
    three,
    [0.5, 0.4, 0, 0.3, 0.6, -0.1, 0, -0.6, 0.05, 0.03].map((x) => 0.728682 * x),
  ],
  ['consensus', { threshold: 1, lambda: 1 }, three, [0.1, 0.4, 0.2, 0, 0, 0, 0, 0, 0.05, 0]],
  ['consensus', { threshold: 1, lambda: 1, task: 2 }, three, [0, 0.4, 0.2, 0, 0, 0, 0, 0, 0, 0]],
  ['pcb', { ratio: 0.3, lambda: 1 }, three, [0.5, 0.4, 0.2, 0.3, 0.4, 0, 0, 0, 0, 0]],
  [
    'breadcrumbs',
    { density: 0.3, gamma: 0.1, lambda: 1 },
    first,
    [0.5, -0.4, 0.3, 0, 0, 0, 0, 0, 0, 0],
  ],
  [
    'slerp',
    { t: 0.25 },
    [groupOf('arc', fp32(3, 4, 0), [fp32(0, 5, 12)])],
    [2.552735, 5.029252, 3.901452],
  ],
  ['model_stock', { clamp: true }, three, Array.from(zeros)],
  ['magmax', {}, three, [0.5, 0.4, 0.3, 0.3, 0.6, 0.1, 0, 0.7, 0.05, 0.03]],
];

test.each(
  worked.map(([id, given, groups, expected]) => ({
    id,
    given,
    groups,
    expected,
    label: JSON.stringify(given),
  })),
)('$id $label', async ({ id, given, groups, expected }) => {
  const merged = await merge(id, given, groups);
  expect(merged).toHaveLength(expected.length);
  expected.forEach((value, i) => expect(merged[i]).toBeCloseTo(value, 5));
});

test('Model Stock of opposing changes extrapolates without the clamp, as mergekit does', async () => {
  const mean = tasks[0]!.map((_, i) => (tasks[0]![i]! + tasks[1]![i]! + tasks[2]![i]!) / 3);
  const merged = await merge('model_stock', { clamp: false }, three);
  mean.forEach((value, i) => expect(merged[i]).toBeCloseTo(-6.28 * value, 3));
});

describe('directions', () => {
  test('two of equal weight are halved, with their mean length', async () => {
    const pair = [groupOf('pair', fp32(0, 0), [fp32(2, 0), fp32(0, 4)])];
    const half = 3 * Math.SQRT1_2;
    for (const id of ['multislerp', 'karcher']) {
      const merged = await merge(id, {}, pair);
      expect(merged[0]).toBeCloseTo(half, 6);
      expect(merged[1]).toBeCloseTo(half, 6);
    }
  });

  test('the Karcher mean is where the angles balance, not where the chords do', async () => {
    const at = (degrees: number) =>
      fp32(Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180));
    const group = [groupOf('angles', fp32(0, 0), [at(0), at(10), at(110)])];
    const [x, y] = await merge('karcher', { max_iter: 100, tol: 1e-9 }, group);
    expect((Math.atan2(y!, x!) * 180) / Math.PI).toBeCloseTo(40, 4);
  });

  test('antiparallel, parallel and missing directions are interpolated in a straight line', async () => {
    const cases: [Float32Array, Float32Array, number[]][] = [
      [fp32(1, 2), fp32(-1, -2), [0.5, 1]],
      [fp32(1, 2), fp32(2, 4), [1.25, 2.5]],
      [fp32(0, 0), fp32(4, 8), [1, 2]],
    ];
    for (const [base, expert, expected] of cases) {
      expect(await merge('slerp', { t: 0.25 }, [groupOf('line', base, [expert])])).toEqual(
        expected,
      );
    }
    const opposed = [groupOf('opposed', fp32(0, 0), [fp32(1, 2), fp32(-1, -2)])];
    expect(await merge('multislerp', {}, opposed)).toEqual([0, 0]);
    expect(await merge('nuslerp', { weight: [3, 1] }, opposed)).toEqual([0.5, 1]);
    expect(await merge('karcher', {}, [groupOf('none', fp32(0), [fp32(0), fp32(0)])])).toEqual([0]);
  });

  test('NuSLERP of opposite weights stays in the middle', async () => {
    const pair = [groupOf('pair', fp32(0, 0), [fp32(1, 0), fp32(0, 1)])];
    const merged = await merge('nuslerp', { weight: [1, -1] }, pair);
    expect(merged[0]).toBeCloseTo(Math.SQRT1_2, 6);
  });
});

describe('weights', () => {
  test('an analogy: A is to B as C is to the result', async () => {
    const experts = [fp32(1, 0, 0), fp32(1, 1, 0), fp32(0, 0, 3)];
    const group = [groupOf('analogy', fp32(0, 0, 1), experts)];
    // C + (B − A), as differences from the base.
    expect(await merge('task_arithmetic', { lambda: 1, weight: [-1, 1, 1] }, group)).toEqual([
      0, 1, 3,
    ]);
  });

  test('a negative weight takes a change away', async () => {
    const group = [groupOf('forget', fp32(2), [fp32(3)])];
    expect(await merge('task_arithmetic', { lambda: 1, weight: -1 }, group)).toEqual([1]);
  });

  test.each(['linear', 'karcher', 'multislerp'])(
    '%s refuses weights that add up to 0',
    async (id) => {
      const group = [groupOf('tensor', fp32(0), [fp32(1), fp32(2)])];
      await expectFailure(merge(id, { weight: [1, -1] }, group), 'recipe.invalid_parameter');
    },
  );

  test('the mean of weights that add up to 0 is not divided in task arithmetic', async () => {
    const group = [groupOf('tensor', fp32(0), [fp32(1), fp32(3)])];
    const given = { weight: [1, -1], normalize: true, lambda: 1 };
    expect(await merge('task_arithmetic', given, group)).toEqual([-2]);
  });
});

describe('small and full sets', () => {
  const tiny = [groupOf('tensor', fp32(1), [fp32(2)])];

  test.each([
    ['ties', { density: 1, lambda: 1 }],
    ['ties', { density: 1, lambda: 1, trim: 'tensor_exact' }],
    ['ties', { density: [1], lambda: 1, trim: 'tensor' }],
    ['dare_linear', { density: 1 }],
    ['dare_ties', { density: 1, rescale: 'l1' }],
    ['della', { density: 1, rescale: 'l1' }],
    ['breadcrumbs', { density: 1, gamma: 0, lambda: 1 }],
    ['breadcrumbs', { density: 1, rank: 'tensor', lambda: 1 }],
    ['pcb', { ratio: 1, lambda: 1 }],
    ['sce', { select_topk: 1 }],
  ])('%s %j in full density changes nothing of a single expert', async (id, given) => {
    const merged = await merge(id, given, tiny);
    // A score of a single value has no rank among others, and PCB gives it none.
    expect(merged).toEqual(id === 'pcb' ? [1] : [2]);
  });

  test('TIES within tensors keeps at least one value, and none in density 0', async () => {
    for (const [density, expected] of [
      [0.01, [0, 9]],
      [0, [0, 0]],
    ] as const) {
      const group = [groupOf('tensor', fp32(0, 0), [fp32(8, 9)])];
      expect(await merge('ties', { density, lambda: 1, trim: 'tensor_exact' }, group)).toEqual(
        expected,
      );
    }
  });

  test('no outliers to drop: breadcrumbs keep what the density says', async () => {
    const values = Float32Array.from({ length: 20 }, (_, i) => i + 1);
    const group = [groupOf('bias', new Float32Array(20), [values])];
    const given = { rank: 'tensor', density: 0.5, gamma: 0.01, lambda: 1 };
    const merged = await merge('breadcrumbs', given, group);
    expect(merged).toEqual([...values].map((x) => (x > 10 ? x : 0)));
  });

  test('DELLA refuses probabilities that are none, and takes rows of one value', async () => {
    const rows = [groupOf('rows', fp32(0, 0), [fp32(1, 2)], [2, 1])];
    for (const given of [
      { density: 0.1, epsilon: 0.2 },
      { density: 0.9, epsilon: 0.1 },
    ]) {
      await expectFailure(merge('della', given, rows), 'recipe.invalid_parameter');
    }
    const merged = await merge('della_linear', { density: 0.5 }, rows);
    expect(merged.every((value, i) => value === 0 || value === 2 * (i + 1))).toBe(true);
  });

  test('a task that is no expert is refused', async () => {
    for (const id of ['emr', 'consensus']) {
      await expectFailure(merge(id, { task: 4 }, three), 'recipe.invalid_parameter');
    }
  });

  test('unchanged experts count for nothing in MetaGPT, and for no division by zero', async () => {
    const same = [groupOf('tensor', fp32(1, 2), [fp32(1, 2), fp32(1, 2)])];
    expect(await merge('metagpt', {}, same)).toEqual([1, 2]);
    const one = [groupOf('tensor', fp32(1, 2), [fp32(1, 2), fp32(3, 2)])];
    expect(await merge('metagpt', {}, one)).toEqual([3, 2]);
  });

  test('PCB does not overflow for a hundred tasks', async () => {
    const experts = Array.from({ length: 100 }, (_, k) => fp32(0.1, 0.2, 0.3 + k / 1000, 0));
    const merged = await merge('pcb', { ratio: 0.5, lambda: 1 }, [
      groupOf('many', fp32(0, 0, 0, 0), experts),
    ]);
    expect(merged.every(Number.isFinite)).toBe(true);
    expect(merged[2]).toBeGreaterThan(0);
  });
});

describe('drops at random', () => {
  const COUNT = 20_000;
  const expert = Float32Array.from({ length: COUNT }, (_, i) => 1 + (i % 100) / 100);
  const large = (rowLength: number) => [
    groupOf('large', new Float32Array(COUNT), [expert, expert], [COUNT / rowLength, rowLength]),
  ];

  test('DARE keeps the share it should, divided by it, differently in each expert', async () => {
    const ones = expert.map(() => 1);
    const both = [groupOf('large', new Float32Array(COUNT), [ones, ones.map((x) => 100 * x)])];
    const merged = await merge('dare_linear', { density: 0.25 }, both);
    const counts = [0, 4, 400, 404].map(
      (value) => merged.filter((x) => x === value).length / COUNT,
    );
    expect(counts.reduce((sum, share) => sum + share)).toBeCloseTo(1, 9);
    [0.5625, 0.1875, 0.1875, 0.0625].forEach((share, i) => {
      expect(counts[i]).toBeCloseTo(share, 1.9);
    });
  });

  test.each(['dare_linear', 'della_linear'])(
    '%s rescaled by L1 keeps the sum of a tensor',
    async (id) => {
      const merged = await merge(id, { density: 0.5, rescale: 'l1', weight: [1, 0] }, large(100));
      const sum = (values: Iterable<number>) => [...values].reduce((total, x) => total + x, 0);
      expect(sum(merged) / sum(expert)).toBeCloseTo(1, 5);
      expect(merged.filter((x) => x === 0).length / COUNT).toBeCloseTo(0.5, 1.7);
    },
  );

  test('DELLA keeps large changes of a row more often', async () => {
    const given = { density: 0.5, epsilon: 0.4, rescale: 'none', weight: [1, 0] };
    const merged = await merge('della_linear', given, large(100));
    const kept = (from: number, to: number) => {
      const inside = merged.filter((_, i) => i % 100 >= from && i % 100 < to);
      return inside.filter((x) => x !== 0).length / inside.length;
    };
    expect(kept(0, 10)).toBeCloseTo(0.1 + 0.8 * (4.5 / 99), 1.5);
    expect(kept(90, 100)).toBeCloseTo(0.9 - 0.8 * (4.5 / 99), 1.5);
  });

  test('another tensor name drops other values', async () => {
    const [named] = large(100);
    const merged = await merge('dare_linear', { density: 0.5 }, [named!]);
    expect(
      await merge('dare_linear', { density: 0.5 }, [{ ...named!, name: 'other' }]),
    ).not.toEqual(merged);
  });
});

test('SCE: weights by mean squares, equal where these are below the floor', async () => {
  const group = [groupOf('tensor', fp32(0, 0), [fp32(0.0003, 0.0001), fp32(0.0001, 0.0002)])];
  const equal = await merge('sce', {}, group);
  expect(equal[0]).toBeCloseTo(0.0002, 9);
  const weighed = await merge('sce', { uniform_below: 0 }, group);
  expect(weighed[0]).toBeCloseTo((10 * 0.0003 + 5 * 0.0001) / 15, 9);
});

test('changes are taken in fp64: what fp16 would lose is merged', async () => {
  const group = [groupOf('tensor', fp32(1), [fp32(1 + 2 ** -20), fp32(1 + 2 ** -20)])];
  for (const id of ['ties', 'dare_ties', 'magmax', 'consensus']) {
    const given = id.startsWith('dare') ? { density: 1, lambda: 1 } : { lambda: 1 };
    expect((await merge(id, given, group))[0]).toBeGreaterThan(1);
  }
});
