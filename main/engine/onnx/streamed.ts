/**
 * Constants that a step reads once for little arithmetic, as the dictionary of task vectors in Λ·D and dW·Dᵀ. The
 * runtime would keep a second copy of them in the order its kernel likes best, and of Dᵀ one padded to 16 columns
 * (for 8 experts three times the dictionary in all), and read that more slowly than the rows as they are.
 */
import type { Program, Value } from '../../graph/program.ts';
import { shapeOf } from '../../graph/program.ts';
import { elementCount } from '../../lib/tensor.ts';

/** A product with fewer rows than this waits for memory; one with more gains by a copy in the kernel's order. */
const fewRows = 128;
/** Smaller constants stay in a cache. */
const fewValues = 2 ** 18;

/** Names of constants that are only ever one side of a product whose other side has few rows. */
export function streamedConstants(program: Program): ReadonlySet<string> {
  const candidates = new Map<Value, string>();
  for (const { name, kind, value } of program.parameters) {
    const shape = shapeOf(program, value);
    if (kind === 'constant' && shape.length === 2 && elementCount(shape) >= fewValues) {
      candidates.set(value, name);
    }
  }
  for (const { op, inputs, output } of program.equations) {
    inputs.forEach((input, side) => {
      if (!candidates.has(input)) return;
      const other = shapeOf(program, output);
      const rows = side === 0 ? (other.at(-1) ?? 1) : elementCount(other.slice(0, -1));
      if (op !== 'matmul' || rows > fewRows) candidates.delete(input);
    });
  }
  for (const { value } of program.results) candidates.delete(value);
  return new Set(candidates.values());
}
