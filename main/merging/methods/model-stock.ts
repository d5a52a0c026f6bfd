/**
 * The mean of the experts is drawn towards the base by how little their changes agree. mergekit floors
 * the product of two lengths at 1e-6, which makes tensors with small changes look unrelated; here
 * only a change of no length has no angle.
 */
import { forEachRow } from '../blocks.ts';
import { changed, writeChange } from '../elementwise/combinations.ts';
import {
  productsOf,
  productsPass,
  productsWithin,
  type Products,
} from '../elementwise/tensor-products.ts';
import { none } from '../elementwise/parameters.ts';
import { defineMethod } from '../method.ts';

const parameters = {
  filter_wise: {
    kind: 'boolean',
    title: 'Row by row',
    default: false,
    help: 'Whether every row (filter) is drawn by angles of its own, instead of every tensor.',
  },
  clamp: {
    kind: 'boolean',
    title: 'Stay between base and mean',
    default: true,
    help: 'Changes that point away from each other would lead beyond the base, and near −1/(K − 1) without bound; the ratio is kept within 0 … 1. mergekit does not do this.',
  },
} as const;

export const modelStock = defineMethod<typeof parameters, typeof none, Products>({
  id: 'model_stock',
  title: 'Model Stock',
  family: 'geometric',
  paper: {
    title: 'Model Stock: all we need is just a few fine-tuned models (Jang et al. 2024)',
    url: 'https://arxiv.org/abs/2403.19522',
  },
  summary:
    'Goes from the base towards the mean of the experts, tensor by tensor, and the further the more their changes point the same way. ' +
    'It was made for experts of one task that differ in their seeds.',
  formula: 'θ = θ0 + t (1/K) Σ τk, t = K cos / (1 + (K − 1) cos), cos = mean cosine of pairs',
  follows: 'the paper, kept between base and mean',
  variants: { mergekit: { clamp: false } },
  inputs: { base: 'required', experts: { min: 2 } },
  parameters,
  perExpert: none,
  laws: {
    base_copies: {},
    power_of_two: {},
    negation: {},
    sharding: {},
  },
  unit: 'row',
  passes: ({ filter_wise: rows }) => (rows ? [] : [productsPass('task_vectors')]),

  merge(group, { filter_wise: rows, clamp }, { prepared }) {
    if (!rows) return changed(group, shares(productsOf(prepared, group), clamp));
    const merged = new Float32Array(group.base.length);
    forEachRow(group, (begin, end) => {
      const products = productsWithin('task_vectors', group, begin, end);
      writeChange(merged, group, shares(products, clamp), { begin, end });
    });
    return merged;
  },
});

/** Equation 7 of the paper, spread over the experts. */
function shares(products: Float64Array, clamp: boolean): readonly number[] {
  const count = Math.round(Math.sqrt(products.length));
  let cosines = 0;
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) {
      const length = Math.sqrt(products[i * count + i]!) * Math.sqrt(products[j * count + j]!);
      const cosine = length === 0 ? 0 : products[i * count + j]! / length;
      cosines += Math.max(-1, Math.min(1, cosine));
    }
  }
  const mean = cosines / ((count * (count - 1)) / 2);
  const pole = 1 + (count - 1) * mean;
  const ratio = Math.abs(pole) < 1e-6 ? 0 : (count * mean) / pole;
  const kept = clamp ? (mean <= 0 ? 0 : Math.min(1, ratio)) : ratio;
  return Array.from({ length: count }, () => kept / count);
}
