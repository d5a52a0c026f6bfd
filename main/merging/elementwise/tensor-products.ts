/**
 * Inner products of the models' tensors, which all that methods of angles and lengths need to know: what
 * they give is a sum of the inputs, with factors that follow from these products.
 */
import { forEachBlock } from '../blocks.ts';
import { definePass, type Group, type Pass } from '../method.ts';
import { dotFrom, subtract } from './arithmetic.ts';

/** Which vectors: the experts as they are, the base before them, or θk − θ0. */
export type VectorKind = 'experts' | 'base_and_experts' | 'task_vectors';

export interface Products {
  /** By tensor, row-major [n, n] of its n vectors. */
  readonly products?: ReadonlyMap<string, Float64Array>;
}

/** In order of the index, so that where a tensor is cut does not change a sum. */
export function productsPass(kind: VectorKind): Pass<Products> {
  return definePass<Products, Map<string, Float64Array>>({
    begin: () => new Map<string, Float64Array>(),
    add(tally, group) {
      const count = group.experts.length + (kind === 'base_and_experts' ? 1 : 0);
      const products = tally.get(group.name) ?? new Float64Array(count * count);
      tally.set(group.name, products);
      forEachBlock(group.base.length, (begin, end) => {
        addProducts(products, vectorsOf(kind, group, begin, end), end - begin);
      });
    },
    combine(into, later) {
      for (const [name, products] of later) into.set(name, products);
    },
    finish: (products) => ({ products }),
  });
}

/** The values of all vectors of the kind from `begin` to `end`. */
export function vectorsOf(
  kind: VectorKind,
  { base, experts }: Group,
  begin: number,
  end: number,
): Float64Array[] {
  const models = kind === 'base_and_experts' ? [base, ...experts] : experts;
  return models.map((model) => {
    if (kind !== 'task_vectors') return Float64Array.from(model.subarray(begin, end));
    const values = new Float64Array(end - begin);
    subtract(values, model, base, begin, end);
    return values;
  });
}

/** Adds ⟨vi, vj⟩ of the first `count` values to row-major [n, n]. */
function addProducts(
  products: Float64Array,
  vectors: readonly Float64Array[],
  count: number,
): void {
  const size = vectors.length;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      const sum = dotFrom(products[i * size + j]!, vectors[i]!, vectors[j]!, count);
      products[i * size + j] = sum;
      products[j * size + i] = sum;
    }
  }
}

/** The products of a group's tensor. */
export function productsOf({ products }: Products, group: Group): Float64Array {
  return products?.get(group.name) ?? new Float64Array(0);
}

/** Those of the values from `begin` to `end` alone, computed on the spot. */
export function productsWithin(
  kind: VectorKind,
  group: Group,
  begin: number,
  end: number,
): Float64Array {
  const vectors = vectorsOf(kind, group, begin, end);
  const products = new Float64Array(vectors.length ** 2);
  addProducts(products, vectors, end - begin);
  return products;
}
