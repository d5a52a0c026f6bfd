/**
 * mergekit's SLERP of two experts (Goddard), on task vectors where there is a base: without one it counts
 * as zero, which makes the experts their own task vectors.
 */
import { forEachRow } from '../blocks.ts';
import { changed, writeChange } from '../elementwise/combinations.ts';
import { hasNoSine, slerpFactors } from '../elementwise/interpolation.ts';
import { weight } from '../elementwise/parameters.ts';
import {
  productsOf,
  productsPass,
  productsWithin,
  type Products,
} from '../elementwise/tensor-products.ts';
import { weightsOf } from '../elementwise/weights.ts';
import {
  columnCount,
  columnsPass,
  columnsOf,
  type Columns,
} from '../elementwise/column-products.ts';
import { defineMethod, type Group } from '../method.ts';

const parameters = {
  vectors: {
    kind: 'choice',
    title: 'Vectors',
    default: 'tensor',
    range: ['tensor', 'row', 'column'],
    help: 'What is turned by an angle of its own: the whole tensor, each vector along the last dimension (mergekit with nuslerp_flatten off) or along the first one (with nuslerp_row_wise as well).',
  },
} as const;

const perExpert = { weight } as const;

type Prepared = Products & Columns;

export const nuslerp = defineMethod<typeof parameters, typeof perExpert, Prepared>({
  id: 'nuslerp',
  title: 'NuSLERP',
  family: 'geometric',
  paper: {
    title: 'mergekit, merge methods: NuSLERP (Goddard 2024)',
    url: 'https://github.com/arcee-ai/mergekit/blob/main/docs/merge_methods.md',
  },
  summary:
    'Goes from one expert to the other along the great circle of their directions; with a base model, of their task vectors. ' +
    'The weights decide how far.',
  formula: 'θ = θ0 + slerp(τ1, τ2; t), t = w2 / (w1 + w2)',
  follows: 'mergekit',
  inputs: { base: 'optional', experts: { min: 2, max: 2 } },
  parameters,
  perExpert,
  laws: {
    base_copies: {},
    power_of_two: {},
    negation: {},
    sharding: {},
  },
  unit: 'row',
  passes: ({ vectors }) =>
    ({ tensor: [productsPass('task_vectors')], column: [columnsPass], row: [] })[vectors],

  merge(group, { vectors }, { prepared, settings }) {
    const t = position(weightsOf(settings));
    switch (vectors) {
      case 'tensor':
        return changed(group, factorsOf(productsOf(prepared, group), t));
      case 'row':
        return alongRows(group, t);
      case 'column':
        return alongColumns(group, columnsOf(prepared, group), t);
    }
  },
});

/** In the middle where the weights add up to nothing. */
function position([first = 0, second = 0]: readonly number[]): number {
  return Math.abs(first + second) < 1e-6 ? 0.5 : second / (first + second);
}

function factorsOf([aa = 0, ab = 0, , bb = 0]: Float64Array, t: number): readonly [number, number] {
  return slerpFactors(aa, bb, ab, t, hasNoSine);
}

function alongRows(group: Group, t: number): Float32Array {
  const merged = new Float32Array(group.base.length);
  forEachRow(group, (begin, end) => {
    const products = productsWithin('task_vectors', group, begin, end);
    writeChange(merged, group, factorsOf(products, t), { begin, end });
  });
  return merged;
}

/** `products` holds ⟨a, a⟩, ⟨a, b⟩, ⟨b, b⟩ of each column. */
function alongColumns(
  { base, experts, shape, offset }: Group,
  products: Float64Array,
  t: number,
): Float32Array {
  const count = columnCount(shape);
  const factors = new Float64Array(2 * count);
  for (let column = 0; column < count; column++) {
    const [aa = 0, ab = 0, bb = 0] = products.subarray(3 * column, 3 * column + 3);
    factors.set(slerpFactors(aa, bb, ab, t, hasNoSine), 2 * column);
  }
  const [first, second] = experts as readonly [Float32Array, Float32Array];
  const merged = new Float32Array(base.length);
  for (let i = 0; i < merged.length; i++) {
    const at = 2 * ((offset + i) % count);
    const origin = base[i]!;
    merged[i] =
      origin + factors[at]! * (first[i]! - origin) + factors[at + 1]! * (second[i]! - origin);
  }
  return merged;
}
