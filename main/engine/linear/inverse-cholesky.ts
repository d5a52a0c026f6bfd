/** G⁻¹ = WᵀW for a symmetric positive definite G, by halves, so that nearly all work is products. */
import { block, setBlock, combined, zeroMatrix, type Matrix, type Multiply } from './matrix.ts';

/** Below this many rows plain loops are faster than calls of the engine. */
const SMALL = 64;

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
  const lower = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = data[i * size + j]!;
      for (let k = 0; k < j; k++) sum -= lower[i * size + k]! * lower[j * size + k]!;
      if (i !== j) lower[i * size + j] = sum / lower[j * size + j]!;
      else if (sum > 0) lower[i * size + i] = Math.sqrt(sum);
      else return undefined;
    }
  }
  const inverse = zeroMatrix(size, size);
  for (let j = 0; j < size; j++) {
    inverse.data[j * size + j] = 1 / lower[j * size + j]!;
    for (let i = j + 1; i < size; i++) {
      let sum = 0;
      for (let k = j; k < i; k++) sum -= lower[i * size + k]! * inverse.data[k * size + j]!;
      inverse.data[i * size + j] = sum / lower[i * size + i]!;
    }
  }
  return inverse;
}
