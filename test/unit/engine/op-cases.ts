/** What every operation is tried on. A new operation without cases does not compile. */
import type { NoAttributes, OpAttributes, OpName, Reduction } from '../../../main/graph/ops.ts';
import type { Shape } from '../../../main/graph/program.ts';
import type { Range } from './numbers.ts';

export interface OpCase<Attributes = OpAttributes[OpName]> {
  readonly shapes: readonly Shape[];
  readonly attributes: Attributes;
  readonly range?: Range;
  /** Exact numbers for input 0 instead of random ones; such a case has no difference quotient. */
  readonly values?: readonly number[];
}

const none = {};

/** Ranks 0 to 4 and one of six axes, as patches are cut. */
const anyShape: readonly Shape[] = [
  [],
  [1],
  [5],
  [2, 3],
  [1, 1, 4],
  [2, 1, 3, 2],
  [1, 2, 2, 1, 3, 2],
];

function elementwise(
  values: readonly number[],
  range: Range = 'any',
): readonly OpCase<NoAttributes>[] {
  return [
    ...anyShape.map((shape) => ({ shapes: [shape], attributes: none, range })),
    { shapes: [[values.length]], attributes: none, values },
  ];
}

const pairs: readonly (readonly [Shape, Shape])[] = [
  [[], []],
  [[3], []],
  [[], [2, 3]],
  [[4], [4]],
  [[2, 3], [3]],
  [
    [2, 3],
    [2, 1],
  ],
  [
    [2, 1],
    [1, 3],
  ],
  [[3], [2, 1]],
  [[1], [1, 1]],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [
    [2, 1, 4],
    [1, 3, 1],
  ],
  [
    [2, 3, 2, 4],
    [3, 1, 4],
  ],
  [
    [2, 3, 2, 4],
    [2, 3, 2, 4],
  ],
];

function pairwise(
  values: readonly number[],
  range: Range = 'any',
): readonly OpCase<NoAttributes>[] {
  return [
    ...pairs.map((shapes) => ({ shapes, attributes: none, range })),
    { shapes: [[values.length], []], attributes: none, values },
  ];
}

const flags = [false, true];

function products(): readonly OpCase<OpAttributes['matmul']>[] {
  const flip = (shape: Shape, yes: boolean): Shape =>
    yes ? [...shape.slice(0, -2), ...shape.slice(-2).reverse()] : shape;
  return flags.flatMap((transposeLeft) =>
    flags.flatMap((transposeRight) => {
      const attributes = { transposeLeft, transposeRight };
      const of = (left: Shape, right: Shape) => ({
        shapes: [flip(left, transposeLeft), flip(right, transposeRight)],
        attributes,
      });
      const shared = [of([2, 3, 4], [4, 2]), of([2, 2, 3, 4], [4, 5])];
      return [
        of([3, 4], [4, 2]),
        of([1, 5], [5, 1]),
        of([1, 1], [1, 1]),
        // Large enough for the ways that engines keep for large products.
        of([2, 32, 40], [2, 40, 32]),
        of([12, 300], [300, 10]),
        of([2, 3, 4], [2, 4, 5]),
        of([2, 3, 2, 4], [2, 3, 4, 3]),
        ...(transposeLeft ? [] : shared),
      ];
    }),
  );
}

const reductions: readonly OpCase<Reduction>[] = [
  ...[[], [0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]].flatMap((axes) =>
    flags.map((keepDims) => ({ shapes: [[2, 3, 4]], attributes: { axes, keepDims } })),
  ),
  { shapes: [[]], attributes: { axes: [], keepDims: false } },
  { shapes: [[1, 1]], attributes: { axes: [0], keepDims: false } },
  { shapes: [[2, 3, 2, 3]], attributes: { axes: [1, 3], keepDims: true } },
];

/** Long enough that adding one number after another in fp32 would be off by more than is allowed. */
const longSum: OpCase<Reduction> = {
  shapes: [[4_099]],
  attributes: { axes: [0], keepDims: false },
  values: Array.from({ length: 4_099 }, () => 0.1),
};

const rows: readonly OpCase<NoAttributes>[] = [
  ...[[1], [5], [2, 3], [2, 3, 4], [2, 2, 3, 5], [3, 1]].map((shape) => ({
    shapes: [shape],
    attributes: none,
  })),
  { shapes: [[2, 300]], attributes: none },
  { shapes: [[2, 3]], attributes: none, values: [1000, 999, -1000, 1e-3, -1e-3, 0] },
  { shapes: [[1, 4]], attributes: none, values: [-1e4, -1e4, -1e4, -1e4] },
];

const norms = ([[4], [2, 3], [2, 3, 4], [2, 2, 2, 5], [2, 300]] as readonly Shape[]).flatMap(
  (shape) =>
    [1e-5, 1e-2].map((epsilon) => ({
      shapes: [shape, [shape.at(-1) ?? 1], [shape.at(-1) ?? 1]],
      attributes: { epsilon },
    })),
);

const reshapes: readonly (readonly [Shape, readonly number[]])[] = [
  [[], [1]],
  [[1, 1], []],
  [[6], [2, 3]],
  [
    [2, 3, 4],
    [0, -1],
  ],
  [
    [2, 3, 4],
    [-1, 4],
  ],
  [
    [2, 3, 4],
    [0, 0, 2, -1],
  ],
  [[2, 3, 4], [24]],
  [
    [2, 12],
    [2, 3, 2, 2],
  ],
];

const permutations: readonly (readonly [Shape, readonly number[]])[] = [
  [[], []],
  [[3], [0]],
  [
    [2, 3],
    [1, 0],
  ],
  [
    [2, 3],
    [0, 1],
  ],
  [
    [2, 3, 4],
    [1, 2, 0],
  ],
  [
    [2, 3, 2, 4],
    [0, 2, 1, 3],
  ],
  [
    [2, 3, 2, 4],
    [3, 0, 2, 1],
  ],
  [
    [2, 3, 2, 2, 2, 2],
    [0, 2, 4, 1, 3, 5],
  ],
];

const broadcasts: readonly (readonly [Shape, Shape])[] = [
  [[], [3]],
  [[], [2, 3]],
  [[3], [2, 3]],
  [
    [2, 1],
    [2, 3],
  ],
  [
    [1, 3, 1],
    [2, 2, 3, 4],
  ],
  [
    [2, 3],
    [2, 3],
  ],
  [[1], [1, 1]],
];

const infinite = [Infinity, -Infinity, Number.NaN];

export const opCases = {
  fill: [
    ...[[], [1], [4], [2, 3], [2, 1, 3, 2]].map((shape) => ({
      shapes: [],
      attributes: { shape, value: 0.1 },
    })),
    ...[0, -0, 1, -2.5, 1e-30, 16_777_217, Infinity, -Infinity, Number.NaN].map((value) => ({
      shapes: [],
      attributes: { shape: [2], value },
    })),
    { shapes: [], attributes: { shape: [], value: 1.702 } },
  ],
  add: pairwise([0, -0, 1e30, -1e30, 1e-30, ...infinite]),
  sub: pairwise([0, -0, 1e30, -1e30, 1e-30, ...infinite]),
  mul: pairwise([0, -0, 1e30, -1e30, 1e-30, ...infinite]),
  div: pairwise([0, -0, 1e30, -1e30, 1e-30, ...infinite], 'positive'),
  neg: elementwise([0, -0, 1e30, ...infinite]),
  exp: elementwise([0, -0, 1e-6, 1, -1, 30, -100, Infinity, -Infinity, Number.NaN]),
  log: elementwise([1, 1e-30, 1e30, 0.999_999, 1.000_001, 0, -1, Infinity], 'positive'),
  sqrt: elementwise([1, 4, 1e-6, 1e-30, 1e30, Infinity], 'positive'),
  erf: elementwise([0, 1e-6, -1e-3, 0.5, -1, 2.9, 3.1, -6, 30, Infinity, -Infinity]),
  sigmoid: elementwise([0, 1e-6, 20, -20, 100, -100, Infinity, -Infinity]),
  relu: elementwise([0, -0, 1e-6, -1e-6, 1e30, -1e30, Infinity, -Infinity]),
  step: elementwise([0, -0, 1e-6, -1e-6, 1e30, -1e30, Infinity, -Infinity]),
  quickGelu: elementwise([0, -0, 1e-6, -1e-6, 20, -20, 100, -50]),
  matmul: products(),
  sum: [...reductions, longSum],
  mean: [...reductions, longSum],
  softmax: rows,
  logSoftmax: rows,
  layerNorm: [
    ...norms,
    // A large mean with a small spread, and a row without any spread.
    {
      shapes: [[2, 4], [4], [4]],
      attributes: { epsilon: 1e-5 },
      values: [1000, 1001, 1002, 1003, 7, 7, 7, 7],
    },
  ],
  reshape: reshapes.map(([from, shape]) => ({ shapes: [from], attributes: { shape } })),
  transpose: permutations.map(([from, permutation]) => ({
    shapes: [from],
    attributes: { permutation },
  })),
  broadcast: broadcasts.map(([from, shape]) => ({ shapes: [from], attributes: { shape } })),
  slice: [
    { shapes: [[5]], attributes: { axis: 0, start: 0, end: 5 } },
    { shapes: [[5]], attributes: { axis: 0, start: 4, end: 5 } },
    { shapes: [[2, 3]], attributes: { axis: 1, start: 1, end: 3 } },
    { shapes: [[2, 3, 4]], attributes: { axis: 1, start: 0, end: 2 } },
    { shapes: [[2, 3, 4, 5]], attributes: { axis: 3, start: 1, end: 4 } },
  ],
  pad: [
    { shapes: [[3]], attributes: { axis: 0, before: 2, after: 1 } },
    { shapes: [[2, 3]], attributes: { axis: 1, before: 0, after: 2 } },
    { shapes: [[2, 3, 2]], attributes: { axis: 1, before: 1, after: 0 } },
    { shapes: [[2, 3, 2, 2]], attributes: { axis: 0, before: 1, after: 1 } },
    { shapes: [[2, 2]], attributes: { axis: 0, before: 0, after: 0 } },
  ],
  concat: [
    { shapes: [[3]], attributes: { axis: 0 } },
    { shapes: [[3], [2]], attributes: { axis: 0 } },
    {
      shapes: [
        [2, 3],
        [2, 1],
        [2, 4],
      ],
      attributes: { axis: 1 },
    },
    {
      shapes: [
        [1, 3, 2],
        [2, 3, 2],
      ],
      attributes: { axis: 0 },
    },
    {
      shapes: [
        [2, 2, 1, 2],
        [2, 2, 3, 2],
      ],
      attributes: { axis: 2 },
    },
  ],
} satisfies { readonly [Name in OpName]: readonly OpCase<OpAttributes[Name]>[] };
