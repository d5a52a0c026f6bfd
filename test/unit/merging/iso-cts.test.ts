/** Iso-CTS finds the merged change from the directions that give way; here it is held against the formula itself. */
import { expect, test } from 'vitest';
import { distance, type Matrix } from '../../../main/engine/linear/matrix.ts';
import { randomMatrix } from '../../../main/engine/linear/orthonormal.ts';
import { linearAlgebra, type LinearAlgebra } from '../../../main/merging/linear-algebra.ts';
import type { Method } from '../../../main/merging/method.ts';
import { isoCts } from '../../../main/merging/methods/iso-cts.ts';
import { resolveSettings } from '../../../main/merging/settings.ts';
import { groupOf } from './in-memory.ts';

const method: Method = isoCts;

/** Whole decompositions in fp64. */
const exact: LinearAlgebra = {
  ...linearAlgebra,
  leading: (a, count) => linearAlgebra.leading(a, count),
  polar: (a) => linearAlgebra.polar(a),
  weakest: () => Promise.resolve(undefined),
};

test.each([
  [270, 270],
  [270, 300],
  [300, 270],
])('the merged change of %i × %i matrices is that of the formula', async (rows, columns) => {
  const experts = [0, 1, 2].map((k) => Float32Array.from(randomMatrix(rows, columns, k).data));
  const group = groupOf('w', new Float32Array(rows * columns), experts, [rows, columns]);
  const { parameters, settings } = resolveSettings(method, {}, experts.length, 'test');
  let asked = 0;
  const counting: LinearAlgebra = {
    ...linearAlgebra,
    svd: () => Promise.reject(new Error('the whole decomposition is not needed')),
    weakest: (a, count) => {
      asked++;
      return linearAlgebra.weakest(a, count);
    },
  };
  const merge = async (linear: LinearAlgebra): Promise<Matrix> => {
    const values = await method.merge(group, parameters, {
      settings,
      seed: 1,
      prepared: undefined,
      linear,
    });
    return { rows, columns, data: Float64Array.from(values) };
  };
  const [found, expected] = [await merge(counting), await merge(exact)];
  expect(asked).toBe(1);
  const size = distance(expected, { ...expected, data: new Float64Array(rows * columns) });
  expect(distance(found, expected) / size).toBeLessThan(3e-5);
});
