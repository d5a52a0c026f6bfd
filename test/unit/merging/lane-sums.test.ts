import { describe, expect, test } from 'vitest';
import { normals, randomStream } from '../../../main/lib/random.ts';
import {
  addMagnitudes,
  addProduct,
  emptySums,
  LANES,
  sumsOf,
} from '../../../main/merging/elementwise/lane-sums.ts';
import { addRandomlyKept, addThinned } from '../../../main/merging/elementwise/match-l1.ts';
import { RandomDrop } from '../../../main/merging/elementwise/random-drop.ts';
import { productsPass, productsWithin } from '../../../main/merging/elementwise/tensor-products.ts';
import { linearAlgebra } from '../../../main/merging/linear-algebra.ts';
import type { Group } from '../../../main/merging/method.ts';

const values = (key: string, count: number): Float64Array =>
  Float64Array.from(normals(randomStream('lanes', key), count, 1));

/** By the words of the definition. */
function lanesOf(terms: Float64Array): number[] {
  return Array.from({ length: LANES }, (_, lane) =>
    terms.reduce((sum, term, i) => (i % LANES === lane ? sum + term : sum), 0),
  );
}

describe('sums in lanes', () => {
  const [left, right] = [values('left', 1003), values('right', 1003)];
  const cuts = [[], [1], [7, 8], [5, 6, 20, 501], [8, 16, 1000]];

  test.each(cuts.map((cut) => [cut]))('are those of the definition, cut at %j', (cut) => {
    const bounds = [0, ...cut, left.length];
    const lanes = emptySums(3);
    bounds.slice(1).forEach((end, piece) => {
      const begin = bounds[piece]!;
      const [x, y] = [left.subarray(begin, end), right.subarray(begin, end)];
      addProduct(lanes, 1, x, y, begin, end - begin);
      addMagnitudes(lanes, 2, x, begin, end - begin);
    });
    expect([...lanes.subarray(0, LANES)]).toEqual(Array.from({ length: LANES }, () => 0));
    expect([...lanes.subarray(LANES, 2 * LANES)]).toEqual(
      lanesOf(left.map((x, i) => x * right[i]!)),
    );
    expect([...lanes.subarray(2 * LANES)]).toEqual(lanesOf(left.map(Math.abs)));
  });

  test('lanes are added up from the first to the last', () => {
    const lanes = Float64Array.of(1, 2 ** 53, 1, 1, 1, 1, 1, 1);
    expect([...sumsOf(lanes)]).toEqual([lanes.reduce((sum, lane) => sum + lane)]);
  });
});

describe('magnitudes by vector code have the bits of the loops', () => {
  const probabilities = [0.5, 0, 1, 0.9, 1e-10];

  function pieceOf(group: Group, begin: number, end: number): Group {
    const cut = (x: Float32Array) => x.subarray(begin, end);
    return {
      ...group,
      offset: group.offset + begin,
      base: cut(group.base),
      experts: group.experts.map(cut),
    };
  }

  test.each([
    [1, 0],
    [5, 3],
    [2049, 0],
    [6000, 13],
    [6000, 2 ** 32 - 6000],
  ])('%d values from index %d', (count, offset) => {
    const base = normals(randomStream('base'), count, 0.05);
    const experts = probabilities.map((_, k) =>
      normals(randomStream('expert', k), count, 0.01).map((change, i) => base[i]! + change),
    );
    const group = { name: 'a.weight', shape: [count], offset, base, experts };
    const empty = () => ({ whole: emptySums(experts.length), kept: emptySums(experts.length) });
    const [found, wanted, whole] = [empty(), empty(), empty()];
    const middle = Math.floor(count / 3);
    for (const piece of [pieceOf(group, 0, middle), pieceOf(group, middle, count)]) {
      if (piece.base.length === 0) continue;
      addRandomlyKept(found, piece, { seed: 5, probabilities });
      const random = new RandomDrop(piece, 5, 2048);
      addThinned(wanted, piece, {
        wholeRows: false,
        sparsify(own, expert, begin, end) {
          random.drop(own, probabilities[expert]!, expert, begin, end - begin);
        },
      });
    }
    addRandomlyKept(whole, group, { seed: 5, probabilities });
    expect(found).toEqual(wanted);
    expect(found).toEqual(whole);
    expect(found.kept.some((lane) => lane > 0)).toBe(true);
  });
});

test.each([
  [1, 0],
  [7, 3],
  [512, 0],
  [2001, 5],
])('inner products of %d values from index %d by vector code', (count, index) => {
  const [base, ...experts] = ['base', 'a', 'b', 'c'].map((key) =>
    normals(randomStream('products', key), count, 1),
  );
  const group = { name: 'a', shape: [index + count], offset: index, base: base!, experts };
  const pass = productsPass('task_vectors');
  const totals = { expertCount: 3, valueCount: count };
  const tally = pass.begin(totals);
  const context = { settings: [], prepared: {}, seed: 1, linear: linearAlgebra };
  pass.add(tally, group, {}, context);
  const { products } = pass.finish(tally, undefined, totals);
  const changes = experts.map((expert) => Float64Array.from(expert, (x, i) => x - base![i]!));
  const wanted = changes.flatMap((left) =>
    changes.map((right) => {
      const lanes = emptySums(1);
      addProduct(lanes, 0, left, right, index, count);
      return sumsOf(lanes)[0]!;
    }),
  );
  expect([...products!.get('a')!]).toEqual(wanted);
  if (index > 0) return;
  expect([...productsWithin('task_vectors', group, 0, count)]).toEqual(wanted);
});
