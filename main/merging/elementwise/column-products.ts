/** Inner products of two task vectors along the first dimension of a tensor. */
import { definePass, type Group } from '../method.ts';

export interface Columns {
  /** By tensor, ⟨a, a⟩, ⟨a, b⟩, ⟨b, b⟩ of each column. */
  readonly columns?: ReadonlyMap<string, Float64Array>;
}

/** Vectors along the first dimension; a vector is one. */
export function columnCount(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, size) => product * size, 1);
}

export function columnsOf({ columns }: Columns, group: Group): Float64Array {
  return columns?.get(group.name) ?? new Float64Array(0);
}

export const columnsPass = definePass<Columns, Map<string, Float64Array>>({
  begin: () => new Map<string, Float64Array>(),
  add(tally, { name, shape, base, experts, offset }) {
    const count = columnCount(shape);
    const sums = tally.get(name) ?? new Float64Array(3 * count);
    tally.set(name, sums);
    const [first, second] = experts as readonly [Float32Array, Float32Array];
    for (let i = 0; i < base.length; i++) {
      const at = 3 * ((offset + i) % count);
      const a = first[i]! - base[i]!;
      const b = second[i]! - base[i]!;
      sums[at]! += a * a;
      sums[at + 1]! += a * b;
      sums[at + 2]! += b * b;
    }
  },
  combine(into, later) {
    for (const [name, sums] of later) into.set(name, sums);
  },
  finish: (columns) => ({ columns }),
});
