import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  broadcastShapes,
  inferShape,
  resolveReshape,
  type OpAttributes,
} from '../../../main/graph/ops.ts';
import type { OpName } from '../../../main/graph/ops.ts';
import type { Shape } from '../../../main/graph/program.ts';
import { elementCount } from '../../../main/lib/tensor.ts';

const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 5 });

/** A shape, and the same shape as broadcasting may have found it: sizes of 1, leading axes missing. */
const broadcastable = shapes.chain((shape) =>
  fc
    .record({
      ones: fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }),
      missing: fc.integer({ min: 0, max: shape.length }),
    })
    .map(({ ones, missing }) => ({
      shape,
      smaller: shape.map((size, axis) => (ones[axis] === true ? 1 : size)).slice(missing),
    })),
);

describe('broadcastShapes', () => {
  it('is symmetric, also in refusing', () => {
    const attempt = (a: Shape, b: Shape) => {
      try {
        return broadcastShapes(a, b);
      } catch {
        return 'refused';
      }
    };
    fc.assert(
      fc.property(shapes, shapes, (a, b) => {
        expect(attempt(a, b)).toEqual(attempt(b, a));
      }),
    );
  });

  it('gives back the shape that a smaller one was cut from', () => {
    fc.assert(
      fc.property(broadcastable, ({ shape, smaller }) => {
        expect(broadcastShapes(shape, smaller)).toEqual(shape);
      }),
    );
  });

  it('is neutral towards scalars and idempotent', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        expect(broadcastShapes(shape, [])).toEqual(shape);
        expect(broadcastShapes(shape, shape)).toEqual(shape);
      }),
    );
  });

  it('refuses sizes that differ and are not 1', () => {
    expect(() => broadcastShapes([2, 3], [2])).toThrow('shapes [2, 3] and [2] do not broadcast');
  });
});

describe('resolveReshape', () => {
  it('keeps the number of elements, whichever axis is inferred and whichever kept', () => {
    fc.assert(
      fc.property(shapes, fc.nat(), fc.nat(), (shape, inferred, kept) => {
        fc.pre(shape.length > 0);
        const target = [...shape];
        target[kept % shape.length] = 0;
        target[inferred % shape.length] = -1;
        const resolved = resolveReshape(shape, target);
        expect(resolved).toEqual(shape);
        expect(elementCount(resolved)).toBe(elementCount(shape));
      }),
    );
  });

  it('refuses every target of another size', () => {
    fc.assert(
      fc.property(shapes, shapes, (from, to) => {
        fc.pre(elementCount(from) !== elementCount(to));
        expect(() => resolveReshape(from, to)).toThrow(/cannot reshape/);
      }),
    );
  });

  it.each([
    [[4], [3, -1]],
    [[1], [-1, -1]],
    [[4], [-2, -2]],
    [[4], [1.5, -1]],
    [[2], [2, 0]],
  ])('refuses [%s] to [%s]', (from, to) => {
    expect(() => resolveReshape(from, to)).toThrow();
  });
});

describe('shape rules', () => {
  const cases: readonly [OpName, readonly Shape[], OpAttributes[OpName], RegExp][] = [
    ['add', [[2]], {}, /add takes 2 inputs, not 1/],
    ['neg', [[2], [2]], {}, /neg takes 1 inputs, not 2/],
    ['fill', [[2]], { shape: [2], value: 0 }, /fill takes 0 inputs, not 1/],
    ['concat', [], { axis: 0 }, /concat takes some inputs, not 0/],
    [
      'concat',
      [
        [2, 3],
        [3, 3],
      ],
      { axis: 1 },
      /cannot join shapes \[2, 3\] \[3, 3\]/,
    ],
    ['concat', [[2]], { axis: 1 }, /no axis 1/],
    ['concat', [[2]], { axis: -1 }, /no axis -1/],
    [
      'matmul',
      [
        [2, 3],
        [2, 3],
      ],
      { transposeLeft: false, transposeRight: false },
      /not defined/,
    ],
    ['matmul', [[3], [3, 2]], { transposeLeft: false, transposeRight: false }, /not defined/],
    ['matmul', [[2, 3], [3]], { transposeLeft: false, transposeRight: true }, /not defined/],
    [
      'matmul',
      [
        [2, 2, 3],
        [3, 3, 2],
      ],
      { transposeLeft: false, transposeRight: false },
      /not defined/,
    ],
    [
      'matmul',
      [
        [2, 3, 2],
        [3, 2],
      ],
      { transposeLeft: true, transposeRight: false },
      /not supported/,
    ],
    ['sum', [[2, 3]], { axes: [2], keepDims: false }, /no axis 2/],
    ['sum', [[2, 3]], { axes: [-1], keepDims: false }, /no axis -1/],
    ['mean', [[2, 3]], { axes: [1, 0], keepDims: false }, /not ascending/],
    ['mean', [[2, 3]], { axes: [1, 1], keepDims: false }, /not ascending/],
    ['softmax', [[]], {}, /no axis -1/],
    ['logSoftmax', [[]], {}, /no axis -1/],
    ['layerNorm', [[2, 3], [2], [3]], { epsilon: 1e-5 }, /layer norm over 3 got a vector \[2\]/],
    ['layerNorm', [[], [1], [1]], { epsilon: 1e-5 }, /no axis/],
    ['transpose', [[2, 3]], { permutation: [0] }, /does not permute/],
    ['transpose', [[2, 3]], { permutation: [1, 1] }, /does not permute/],
    ['broadcast', [[2]], { shape: [3] }, /do not broadcast/],
    ['broadcast', [[2, 3]], { shape: [3] }, /does not broadcast to/],
    ['slice', [[4]], { axis: 0, start: 2, end: 2 }, /outside axis 0/],
    ['slice', [[4]], { axis: 0, start: 0, end: 5 }, /outside axis 0/],
    ['slice', [[4]], { axis: 1, start: 0, end: 1 }, /no axis 1/],
    ['slice', [[4]], { axis: -1, start: 0, end: 1 }, /no axis -1/],
    ['pad', [[4]], { axis: 1, before: 0, after: 1 }, /no axis 1/],
    ['pad', [[4]], { axis: 0, before: -1, after: 0 }, /cannot pad by -1 and 0/],
  ];
  it.each(cases)('%s of %j with %j is refused', (op, inputs, attributes, message) => {
    expect(() => inferShape(op, inputs, attributes)).toThrow(message);
  });
});
