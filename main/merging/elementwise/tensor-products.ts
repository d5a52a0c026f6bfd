/**
 * Inner products of the models' tensors, which all that methods of angles and lengths need to know: what
 * they give is a sum of the inputs, with factors that follow from these products.
 */
import { definePass, type Group, type Pass } from '../method.ts';
import { subtract } from './arithmetic.ts';
import { addProduct, emptySums, sumsOf } from './lane-sums.ts';

/** So that the vectors of eight experts fit into the fastest cache. */
const PRODUCT_BLOCK = 512;

/** Which vectors: the experts as they are, the base before them, or θk − θ0. */
export type VectorKind = 'experts' | 'base_and_experts' | 'task_vectors';

export interface Products {
  /** By tensor, row-major [n, n] of its n vectors. */
  readonly products?: ReadonlyMap<string, Float64Array>;
}

/** Tallies hold the lanes of ⟨vi, vj⟩ for j ≤ i, row by row. */
export function productsPass(kind: VectorKind): Pass<Products> {
  return definePass<Products, Map<string, Float64Array>>({
    begin: () => new Map<string, Float64Array>(),
    add(tally, group) {
      const count = group.experts.length + (kind === 'base_and_experts' ? 1 : 0);
      const lanes = tally.get(group.name) ?? emptySums((count * (count + 1)) / 2);
      tally.set(group.name, lanes);
      addProducts(lanes, kind, group, 0, group.base.length, group.offset);
    },
    combine(into, later) {
      for (const [name, lanes] of later) into.set(name, lanes);
    },
    finish: (tally) => ({
      products: new Map([...tally].map(([name, lanes]) => [name, squareOf(sumsOf(lanes))])),
    }),
  });
}

function modelsOf(kind: VectorKind, { base, experts }: Group): readonly Float32Array[] {
  return kind === 'base_and_experts' ? [base, ...experts] : experts;
}

/** Adds the products of the values from `begin` to `end`, of which the first has the index `index`. */
function addProducts(
  lanes: Float64Array,
  kind: VectorKind,
  group: Group,
  begin: number,
  end: number,
  index: number,
): void {
  const models = modelsOf(kind, group);
  const length = Math.min(PRODUCT_BLOCK, end - begin);
  const vectors = models.map(() => new Float64Array(length));
  for (let from = begin; from < end; from += PRODUCT_BLOCK) {
    const to = Math.min(from + PRODUCT_BLOCK, end);
    for (const [k, model] of models.entries()) {
      if (kind === 'task_vectors') subtract(vectors[k]!, model, group.base, from, to);
      else vectors[k]!.set(model.subarray(from, to));
    }
    let sum = 0;
    for (const [i, left] of vectors.entries()) {
      for (let j = 0; j <= i; j++) {
        addProduct(lanes, sum++, left, vectors[j]!, index + from - begin, to - from);
      }
    }
  }
}

/** Row-major [n, n] of a symmetric matrix, from its rows up to the diagonal. */
function squareOf(rows: Float64Array): Float64Array {
  const size = Math.round((Math.sqrt(8 * rows.length + 1) - 1) / 2);
  const square = new Float64Array(size * size);
  let at = 0;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      square[i * size + j] = rows[at]!;
      square[j * size + i] = rows[at++]!;
    }
  }
  return square;
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
  const count = modelsOf(kind, group).length;
  const lanes = emptySums((count * (count + 1)) / 2);
  addProducts(lanes, kind, group, begin, end, 0);
  return squareOf(sumsOf(lanes));
}
