import { describe, expect, test } from 'vitest';
import {
  columnRange,
  distance,
  identity,
  largestMagnitude,
  scaleColumns,
  shifted,
  zeroMatrix,
  type Matrix,
} from '../../../main/engine/linear/matrix.ts';
import { randomMatrix } from '../../../main/engine/linear/orthonormal.ts';
import { symmetricEigen } from '../../../main/engine/linear/symmetric-eigen.ts';
import { createProducts } from '../../../main/engine/onnx/product-chain.ts';
import { createLinearAlgebra, linearAlgebra } from '../../../main/merging/linear-algebra.ts';

const { multiply, svd, polar, leading, weakest, outsideOthers } = linearAlgebra;

/** The largest entry of QᵀQ − I. */
async function lackOfOrthogonality(q: Matrix): Promise<number> {
  const gram = shifted(await multiply(q, q, { a: true }), 1, -1);
  return Math.max(...gram.data.map(Math.abs));
}

async function restored(u: Matrix, sigma: Float64Array, v: Matrix): Promise<Matrix> {
  return multiply(scaleColumns({ ...u, data: u.data.slice() }, sigma), v, { b: true });
}

/** Of a chosen spectrum, between random orthonormal bases. */
async function withSpectrum(rows: number, columns: number, at: (i: number) => number) {
  const count = Math.min(rows, columns);
  const u = (await svd(randomMatrix(rows, count, 'u'))).u;
  const v = (await svd(randomMatrix(columns, count, 'v'))).u;
  return restored(
    u,
    Float64Array.from({ length: count }, (_, i) => at(i)),
    v,
  );
}

test('products with and without transposition equal plain sums', async () => {
  for (const [a, b] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ] as const) {
    const left = a ? randomMatrix(4, 3, 1) : randomMatrix(3, 4, 1);
    const right = b ? randomMatrix(5, 4, 2) : randomMatrix(4, 5, 2);
    const product = await multiply(left, right, { a, b });
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 5; j++) {
        let sum = 0;
        for (let k = 0; k < 4; k++) {
          sum +=
            (a ? left.data[k * 3 + i]! : left.data[i * 4 + k]!) *
            (b ? right.data[j * 4 + k]! : right.data[k * 5 + j]!);
        }
        expect(product.data[i * 5 + j]).toBeCloseTo(sum, 13);
      }
    }
  }
  await expect(multiply(zeroMatrix(2, 3), zeroMatrix(2, 3))).rejects.toThrow('no product');
  expect((await multiply(zeroMatrix(2, 0), zeroMatrix(0, 3))).data).toHaveLength(6);
});

describe('singular values', () => {
  const spectra: Record<string, () => Matrix | Promise<Matrix>> = {
    'random, square': () => randomMatrix(150, 150, 1),
    'random, wide': () => randomMatrix(100, 260, 1),
    'random, tall': () => randomMatrix(260, 100, 1),
    'one column': () => randomMatrix(50, 1, 1),
    'rank 10': () => multiply(randomMatrix(200, 10, 1), randomMatrix(10, 150, 2)),
    identity: () => identity(120),
    'all zero': () => zeroMatrix(90, 130),
    'all ones': () => ({ ...zeroMatrix(110, 90), data: new Float64Array(9900).fill(1) }),
    'a single entry': () => {
      const matrix = zeroMatrix(100, 100);
      matrix.data[1234] = -3;
      return matrix;
    },
    'falling over twelve decades': () => withSpectrum(180, 120, (i) => 10 ** (-i / 10)),
    'three values, many times each': () => withSpectrum(120, 150, (i) => 1 + (i % 3)),
    'a cluster and a far smaller one': () => withSpectrum(140, 140, (i) => (i < 40 ? 1 : 1e-6)),
    'nearly equal': () => withSpectrum(130, 130, (i) => 1 + i * 1e-10),
    'very large': async () => {
      const matrix = await withSpectrum(100, 100, (i) => 1 + i);
      return { ...matrix, data: matrix.data.map((value) => value * 1e150) };
    },
  };

  test.each(Object.entries(spectra))('%s', async (_, make) => {
    const matrix = await make();
    const { u, sigma, v } = await svd(matrix);
    expect(sigma).toHaveLength(Math.min(matrix.rows, matrix.columns));
    expect(await lackOfOrthogonality(u)).toBeLessThan(1e-13);
    expect(await lackOfOrthogonality(v)).toBeLessThan(1e-13);
    const scale = sigma[0] === 0 ? 1 : sigma[0]!;
    const error = distance(scaled(await restored(u, sigma, v), scale), scaled(matrix, scale));
    expect(error).toBeLessThan(5e-12);
    for (let i = 1; i < sigma.length; i++) expect(sigma[i]).toBeLessThanOrEqual(sigma[i - 1]!);
    expect(sigma.every((value) => value >= 0)).toBe(true);
  });

  test('the chosen spectrum comes out', async () => {
    const { sigma } = await svd(await withSpectrum(180, 120, (i) => 10 ** (-i / 10)));
    for (const [i, value] of sigma.entries()) expect(value).toBeCloseTo(10 ** (-i / 10), 13);
  });
});

function scaled(matrix: Matrix, scale: number): Matrix {
  return { ...matrix, data: matrix.data.map((value) => value / scale) };
}

test('the leading singular values span what the whole decomposition has first', async () => {
  const matrix = randomMatrix(400, 300, 1);
  const few = await leading(matrix, 20);
  const all = await svd(matrix);
  expect(few.sigma).toHaveLength(20);
  for (const [i, value] of few.sigma.entries()) expect(value).toBeCloseTo(all.sigma[i]!, 10);
  for (const side of ['u', 'v'] as const) {
    expect(await lackOfOrthogonality(few[side])).toBeLessThan(1e-13);
    const projector = await multiply(few[side], few[side], { b: true });
    const first = columnRange(all[side], 0, 20);
    expect(distance(projector, await multiply(first, first, { b: true }))).toBeLessThan(1e-8);
  }
});

test('leading singular values of a matrix of lower rank', async () => {
  const matrix = await multiply(randomMatrix(300, 5, 1), randomMatrix(5, 250, 2));
  const { u, sigma, v } = await leading(matrix, 12);
  expect([...sigma.subarray(5)]).toEqual(new Array(7).fill(0));
  expect(await lackOfOrthogonality(u)).toBeLessThan(1e-13);
  expect(distance(await restored(u, sigma, v), matrix) / sigma[0]!).toBeLessThan(1e-12);
});

describe('polar factors', () => {
  test.each([
    [90, 90],
    [200, 120],
    [120, 200],
  ])('%i × %i', async (rows, columns) => {
    const matrix = randomMatrix(rows, columns, 1);
    const factor = await polar(matrix);
    const { u, v } = await svd(matrix);
    expect(distance(factor, await multiply(u, v, { b: true }))).toBeLessThan(1e-9);
    const gram = await multiply(factor, factor, rows < columns ? { b: true } : { a: true });
    expect(distance(gram, identity(Math.min(rows, columns)))).toBeLessThan(1e-12);
  });

  test('of lower rank: only what is determined', async () => {
    const side = randomMatrix(100, 8, 1);
    const matrix = await multiply(side, randomMatrix(8, 90, 2));
    const factor = await polar(matrix);
    const { sigma } = await svd(factor);
    sigma.forEach((value, i) => expect(value).toBeCloseTo(i < 8 ? 1 : 0, 10));
    expect((await polar(zeroMatrix(5, 4))).data).toEqual(new Float64Array(20));
  });
});

describe('single precision', () => {
  // Flat: not so steep that the squares of the smallest values lie below what fp64 resolves beside the largest.
  const spectra = [
    {
      name: 'falling with a few large ones',
      at: (i: number) => (i < 12 ? 30 : 1) / (1 + i / 40),
      flat: true,
    },
    { name: 'falling slowly', at: (i: number) => 1 / (1 + i / 40), flat: true },
    {
      name: 'few large ones above a flat floor',
      at: (i: number) => (i < 12 ? 2 ** (6 - i) : 0.01 - i * 1e-5),
      flat: false,
    },
    { name: 'falling over four decades', at: (i: number) => 10 ** (-i / 70), flat: false },
  ];
  const shapes = [
    [300, 270],
    [270, 330],
  ] as const;
  const cases = spectra.flatMap((spectrum) => shapes.map((shape) => ({ ...spectrum, shape })));

  test.each(cases)('$name, $shape', async ({ at, flat, shape: [rows, columns] }) => {
    const count = 30;
    const size = Math.min(rows, columns);
    const u = (await svd(randomMatrix(rows, size, 'u'))).u;
    const v = (await svd(randomMatrix(columns, size, 'v'))).u;
    const sigma = Float64Array.from({ length: size }, (_, i) => at(i));
    const matrix = await restored(u, sigma, v);

    const few = await leading(matrix, count, 'single');
    for (const [i, value] of few.sigma.entries()) expect(value / at(i)).toBeCloseTo(1, 8);
    for (const [found, expected] of [
      [few.u, u],
      [few.v, v],
    ] as const) {
      expect(await lackOfOrthogonality(found)).toBeLessThan(1e-9);
      expect(await betweenSpans(found, columnRange(expected, 0, count))).toBeLessThan(5e-6);
    }

    const factor = await polar(matrix, 'single');
    const expected = await multiply(u, v, { b: true });
    expect(distance(factor, expected) / Math.sqrt(size)).toBeLessThan(5e-6);

    const found = await weakest(matrix, 60);
    if (flat) expect(found).toBeDefined();
    if (found === undefined) return;
    expect(distance(found.factor, expected) / Math.sqrt(size)).toBeLessThan(5e-6);
    expect(await betweenSpans(found.u, columnRange(u, size - 60, size))).toBeLessThan(5e-6);
    expect(await betweenSpans(found.v, columnRange(v, size - 60, size))).toBeLessThan(5e-6);
    const sum = sigma.subarray(0, size - 60).reduce((all, value) => all + value, 0);
    expect(found.sum / sum).toBeCloseTo(1, 5);
  });

  test('a matrix of lower rank is left to fp64', async () => {
    const matrix = await multiply(randomMatrix(300, 20, 1), randomMatrix(20, 280, 2));
    expect(await weakest(matrix, 20)).toBeUndefined();
    const { sigma } = await leading(matrix, 30, 'single');
    expect([...sigma.subarray(20)]).toEqual(new Array(10).fill(0));
    const exact = await polar(matrix);
    expect(distance(await polar(matrix, 'single'), exact)).toBeLessThan(1e-12);
  });

  test.each([
    [300, 290],
    [270, 300],
  ])('what lies outside of the stronger directions, %i × %i', async (rows, columns) => {
    const matrix = randomMatrix(rows, columns, 1);
    const found = await weakest(matrix, 40);
    const outside = await outsideOthers(randomMatrix(rows, columns, 2), found!);
    const { u } = await svd(matrix);
    const others = columnRange(u, 0, Math.min(rows, columns) - 40);
    const inside = await multiply(others, outside, { a: true });
    expect(Math.max(...inside.data.map(Math.abs))).toBeLessThan(1e-4);
    expect(largestMagnitude(outside)).toBeGreaterThan(0.1);
  });

  test('the number of threads changes no byte', async () => {
    const [one, two] = [createProducts(1), createProducts(2)].map(createLinearAlgebra);
    const matrix = randomMatrix(310, 290, 1);
    expect(await one!.leading(matrix, 30, 'single')).toEqual(
      await two!.leading(matrix, 30, 'single'),
    );
    expect(await one!.polar(matrix, 'single')).toEqual(await two!.polar(matrix, 'single'));
    const large = randomMatrix(700, 600, 2);
    expect(await one!.weakest(large, 60)).toEqual(await two!.weakest(large, 60));
  });
});

/** The root mean square of the sines of the angles between two spans of equally many orthonormal columns. */
async function betweenSpans(a: Matrix, b: Matrix): Promise<number> {
  const inside = await multiply(b, await multiply(b, a, { a: true }));
  return distance(a, inside) / Math.sqrt(a.columns);
}

test('eigenvectors of an indefinite matrix', async () => {
  const half = randomMatrix(170, 170, 1);
  const matrix = await multiply(half, identity(170));
  for (let i = 0; i < 170; i++) {
    for (let j = 0; j < 170; j++) matrix.data[i * 170 + j]! += half.data[j * 170 + i]!;
  }
  const { values, vectors } = await symmetricEigen(multiply, matrix);
  expect(values[0]).toBeGreaterThan(0);
  expect(values.at(-1)).toBeLessThan(0);
  const again = await restored(vectors, values, vectors);
  expect(distance(again, matrix) / values[0]!).toBeLessThan(1e-11);
  expect(await lackOfOrthogonality(vectors)).toBeLessThan(1e-13);
});

test('the number of threads and repetition change no byte; doubling doubles', async () => {
  const one = createLinearAlgebra(createProducts(1));
  const two = createLinearAlgebra(createProducts(2));
  const matrix = randomMatrix(310, 290, 1);
  const expected = await one.svd(matrix);
  expect(await two.svd(matrix)).toEqual(expected);
  expect(await two.svd(matrix)).toEqual(expected);
  expect(await one.polar(matrix)).toEqual(await two.polar(matrix));
  const doubled = await two.svd({ ...matrix, data: matrix.data.map((value) => 2 * value) });
  expect(doubled.sigma).toEqual(expected.sigma.map((value) => 2 * value));
  expect(doubled.u).toEqual(expected.u);
});
