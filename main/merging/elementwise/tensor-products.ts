/**
 * Inner products of the models' tensors, which all that methods of angles and lengths need to know: what
 * they give is a sum of the inputs, with factors that follow from these products.
 */
import { definePass, type Group, type Pass } from '../method.ts';
import { subtract } from './arithmetic.ts';
import { PRODUCT_BLOCK, ProductKernel } from '../kernels/product-kernel.ts';
import { emptySums, LANES, sumsOf } from './lane-sums.ts';

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
  const kernel = kernelFor(models.length);
  const { vectors } = kernel;
  kernel.lanes.set(lanes);
  // The first value goes to its lane; zeros before and behind add nothing.
  for (let from = begin - (index % LANES); from < end; from += PRODUCT_BLOCK) {
    const [first, to] = [Math.max(from, begin), Math.min(from + PRODUCT_BLOCK, end)];
    const padded = Math.ceil((to - from) / LANES) * LANES;
    for (const [k, model] of models.entries()) {
      const vector = vectors[k]!;
      vector.fill(0, 0, first - from);
      const own = vector.subarray(first - from, to - from);
      if (kind === 'task_vectors') subtract(own, model, group.base, first, to);
      else own.set(model.subarray(first, to));
      vector.fill(0, to - from, padded);
    }
    kernel.add(padded);
  }
  lanes.set(kernel.lanes);
}

/** Of the last number of vectors asked for. */
let last: ProductKernel | undefined;

function kernelFor(count: number): ProductKernel {
  if (last?.vectors.length !== count) last = new ProductKernel(count);
  return last;
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
