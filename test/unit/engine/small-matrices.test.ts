/** Eigenvectors and Cholesky factors of matrices so small that they are no work for the engine, and what uses them. */
import { describe, expect, test } from 'vitest';
import { inverseCholesky } from '../../../main/engine/linear/inverse-cholesky.ts';
import {
  distance,
  identity,
  scaleColumns,
  type Matrix,
} from '../../../main/engine/linear/matrix.ts';
import { randomMatrix } from '../../../main/engine/linear/orthonormal.ts';
import { singlePolar } from '../../../main/engine/linear/single-polar.ts';
import { singularValues } from '../../../main/engine/linear/singular-values.ts';
import { smallEigen } from '../../../main/engine/linear/small-eigen.ts';
import { createProducts } from '../../../main/engine/onnx/product-chain.ts';

const products = createProducts(1);
const { multiply } = products;

async function semidefinite(size: number, rank: number): Promise<Matrix> {
  const half = randomMatrix(size, rank, 'half');
  return multiply(half, half, { b: true });
}

describe('eigenvectors', () => {
  // Sizes around the lanes of vector code; ranks that leave many zeros, which take other branches.
  test.each([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 2],
    [5, 5],
    [31, 8],
    [64, 64],
    [130, 40],
  ])('of %i × %i and rank %i', async (size, rank) => {
    const a = await semidefinite(size, rank);
    const { values, vectors } = smallEigen(a)!;
    expect(distance(await multiply(vectors, vectors, { b: true }), identity(size))).toBeLessThan(
      1e-12,
    );
    const turned = await multiply(await multiply(vectors, a), vectors, { b: true });
    for (let i = 0; i < size; i++) turned.data[i * (size + 1)]! -= values[i]!;
    const largest = Math.max(...values);
    expect(
      Math.sqrt(turned.data.reduce((sum, value) => sum + value ** 2, 0)) / largest,
    ).toBeLessThan(1e-13);
    expect(values.filter((value) => value > 1e-10 * largest)).toHaveLength(Math.min(rank, size));
  });

  test('of a diagonal matrix are the axes, in their order', () => {
    const a = identity(6);
    for (let i = 0; i < 6; i++) a.data[i * 7] = 3 - i;
    expect([...smallEigen(a)!.values]).toEqual([3, 2, 1, 0, -1, -2]);
    expect(smallEigen(a)!.vectors).toEqual(identity(6));
  });

  test('there are none of what is not finite', () => {
    const a = identity(5);
    a.data[7] = Number.NaN;
    expect(smallEigen(a)).toBeUndefined();
  });
});

test.each([1, 4, 7, 50, 160, 161])(
  'the inverse Cholesky factor of a square matrix of %i rows',
  async (size) => {
    const g = await semidefinite(size, 2 * size);
    const w = (await inverseCholesky(multiply, g))!;
    for (let i = 0; i < size; i++) {
      for (let j = i + 1; j < size; j++) expect(w.data[i * size + j]).toBe(0);
    }
    const one = await multiply(await multiply(w, g), w, { b: true });
    expect(distance(one, identity(size))).toBeLessThan(1e-10);
  },
);

test('there is none of an indefinite matrix', async () => {
  const g = identity(9);
  g.data[40] = -1;
  expect(await inverseCholesky(multiply, g)).toBeUndefined();
});

test.each([
  ['a few', 5],
  ['many', 60],
])('polar factors where %s singular values lag far behind', async (_, lagging) => {
  const size = 300;
  const { u } = await singularValues(multiply, randomMatrix(size, size, 'u'));
  const { u: v } = await singularValues(multiply, randomMatrix(size, size, 'v'));
  const sigma = Float64Array.from({ length: size }, (_value, i) =>
    i < size - lagging ? 1 + i / size : 2e-5 * (1 + i / size),
  );
  const a = await multiply(scaleColumns({ ...u, data: u.data.slice() }, sigma), v, { b: true });
  const found = await singlePolar(products, a);
  const error = distance(found!, await multiply(u, v, { b: true })) / Math.sqrt(size);
  expect(error).toBeLessThan(5e-6);
});
