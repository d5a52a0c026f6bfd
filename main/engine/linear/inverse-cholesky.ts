/** G⁻¹ = WᵀW for a symmetric positive definite G, by halves, so that nearly all work is products. */
import { block, setBlock, combined, zeroMatrix, type Matrix, type Multiply } from './matrix.ts';
import { lanesFor, rowKernels } from './row-kernels.ts';

/** Up to this many rows loops are faster than calls of the engine. */
const SMALL = 160;

/** W = L⁻¹ of G = L Lᵀ, lower triangular; `undefined` where G is not positive definite in fp64. */
export async function inverseCholesky(multiply: Multiply, g: Matrix): Promise<Matrix | undefined> {
  const size = g.rows;
  if (size <= SMALL) return smallInverseCholesky(g);
  const half = size >> 1;
  const [front, back] = [[0, half] as const, [half, size] as const];
  const top = await inverseCholesky(multiply, block(g, front, front));
  if (top === undefined) return undefined;
  // G = [[L1, 0], [C, L2]] [[L1, 0], [C, L2]]ᵀ with C = G21 L1⁻ᵀ.
  const c = await multiply(block(g, back, front), top, { b: true });
  const square = await multiply(c, c, { b: true });
  const bottom = await inverseCholesky(multiply, combined(1, block(g, back, back), -1, square));
  if (bottom === undefined) return undefined;
  const corner = await multiply(bottom, await multiply(c, top));
  const result = zeroMatrix(size, size);
  setBlock(result, top, 0, 0);
  setBlock(result, combined(-1, corner, 0, corner), half, 0);
  setBlock(result, bottom, half, half);
  return result;
}

function smallInverseCholesky({ rows: size, data }: Matrix): Matrix | undefined {
  const stride = lanesFor(size);
  const inverse = size * stride;
  const { values, dot, take } = rowKernels(2 * inverse);
  values.fill(0, 0, 2 * inverse);
  for (let i = 0; i < size; i++) {
    const row = i * stride;
    const own = inverse + row;
    values[own + i] = 1;
    for (let j = 0; j < i; j++) {
      const other = j * stride;
      // Right of its place the row of L is not written yet.
      const along = dot(row, row + lanesFor(j), other);
      const entry = (data[i * size + j]! - along) * values[inverse + other + j]!;
      values[row + j] = entry;
      take(own, own + lanesFor(j + 1), inverse + other, entry, inverse + other, 0);
    }
    const square = data[i * (size + 1)]! - dot(row, row + lanesFor(i), row);
    if (!(square > 0)) return undefined;
    const scale = 1 / Math.sqrt(square);
    values[row + i] = 1 / scale;
    for (let j = 0; j <= i; j++) values[own + j]! *= scale;
  }
  const result = zeroMatrix(size, size);
  for (let i = 0; i < size; i++) {
    const row = inverse + i * stride;
    result.data.set(values.subarray(row, row + size), i * size);
  }
  return result;
}
