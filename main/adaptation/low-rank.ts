/**
 * Experts of linear layers as products of thin matrices: ΔWk ≈ Uk Vkᵀ with Uk [out, r], Vk [in, r] from the
 * leading singular values. All experts stand side by side, so that their terms are two products whatever K is.
 */
import { leadingSingularValues } from '../engine/linear/leading-singular-values.ts';
import type { Matrix } from '../engine/linear/matrix.ts';
import { singleLeading } from '../engine/linear/single-leading.ts';
import type { SingularValues } from '../engine/linear/singular-values.ts';
import { createProducts } from '../engine/onnx/product-chain.ts';
import type { Builder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/program.ts';
import { elementCount, type Tensor, type TensorMap } from '../lib/tensor.ts';
import { shapeNamed } from '../models/merged-model.ts';
import type { VisionConfig } from '../models/vision-config.ts';
import { visionTensors } from '../models/vit.ts';
import { tensorNamed } from './dictionary.ts';

/** The factors of all experts of one layer. */
export interface LayerFactors {
  /** Names of U [out, K·r] and V [K·r, in] (transposed); the r columns or rows of an expert stand together. */
  readonly left: string;
  readonly right: string;
  readonly rank: number;
  readonly shapes: ReadonlyMap<string, Shape>;
}

/** How the singular values are shared out: evenly, or all of them to U, so that V has orthonormal columns. */
export type FactorScale = 'even' | 'left';

/** Factors of layer `name`; `rank` tells that of a matrix of full rank `least`, which is never exceeded. */
export function layerFactors(
  config: VisionConfig,
  name: string,
  { rank, expertCount }: { rank: (least: number) => number; expertCount: number },
): LayerFactors {
  const [out, width] = matrixSize(shapeNamed(visionTensors(config), `${name}.weight`));
  const least = Math.min(out, width);
  const r = Math.min(rank(least), least);
  const [left, right] = [`${name}.experts.left`, `${name}.experts.right`];
  const shapes = new Map<string, Shape>([
    [left, [out, expertCount * r]],
    [right, [expertCount * r, width]],
  ]);
  return { left, right, rank: r, shapes };
}

/** A weight as a matrix: its first dimension, and the others as one. */
function matrixSize([out = 0, ...rest]: Shape): readonly [rows: number, columns: number] {
  return [out, elementCount(rest)];
}

const products = createProducts();
/** Up to so many rows or columns fp64 costs little. */
const small = 256;

async function leading(a: Matrix, rank: number): Promise<SingularValues> {
  const least = Math.min(a.rows, a.columns);
  const single =
    least > small && 3 * rank <= least ? await singleLeading(products, a, rank) : undefined;
  return single ?? leadingSingularValues(products.multiply, a, rank);
}

/** U and V of the changes of all experts: `change(k)` is ΔWk, row-major. */
export async function factorise(
  { left, right, rank, shapes }: LayerFactors,
  change: (expert: number) => Float64Array,
  scale: FactorScale,
): Promise<ReadonlyMap<string, Tensor>> {
  const [out = 0, columns = 0] = shapeNamed(shapes, left);
  const [, width = 0] = shapeNamed(shapes, right);
  const u = new Float32Array(out * columns);
  const v = new Float32Array(columns * width);
  for (let k = 0; k < columns / rank; k++) {
    const found = await leading({ rows: out, columns: width, data: change(k) }, rank);
    for (let j = 0; j < rank; j++) {
      const sigma = found.sigma[j]!;
      const [ofU, ofV] = scale === 'even' ? [Math.sqrt(sigma), Math.sqrt(sigma)] : [sigma, 1];
      const place = k * rank + j;
      for (let i = 0; i < out; i++) u[i * columns + place] = ofU * found.u.data[i * rank + j]!;
      for (let i = 0; i < width; i++) v[place * width + i] = ofV * found.v.data[i * rank + j]!;
    }
  }
  return new Map([
    [left, { shape: [out, columns], data: u }],
    [right, { shape: [columns, width], data: v }],
  ]);
}

/** Vkᵀx of all experts, [B, n, K·r], of x [B, n, in]. */
export function project(g: Builder, x: Value, right: Value): Value {
  return g.matmul(x, right, { transposeRight: true });
}

/** Σk λk Uk (Vkᵀx), with rows of Λ [G, K] for G equal parts of the batch; x [B, n, in] gives [B, n, out]. */
export function weightedTerm(
  g: Builder,
  x: Value,
  { left, right, rank }: { left: Value; right: Value; rank: number },
  lambdas: Value,
  /** Parts of the batch that share a row; undefined where every image has its own, or all have one. */
  groups: number | undefined,
): Value {
  const projected = project(g, x, right);
  const [, tokens = 0, width = 0] = g.shape(projected);
  const experts = width / rank;
  const parts = g.reshape(projected, [
    groups ?? 0,
    groups === undefined ? tokens : -1,
    experts,
    rank,
  ]);
  const weighted = g.mul(parts, g.reshape(lambdas, [-1, 1, experts, 1]));
  const flat = g.reshape(weighted, [groups === undefined ? 0 : -1, tokens, width]);
  return g.matmul(flat, left, { transposeRight: true });
}

/** W + Σk λk Uk Vkᵀ, summed in float64. */
export function addFactors(
  weight: Tensor,
  { left, right, rank }: LayerFactors,
  tensors: TensorMap,
  lambdas: ArrayLike<number>,
): Tensor {
  const [out, width] = matrixSize(weight.shape);
  const { shape, data: u } = tensorNamed(tensors, left);
  const v = tensorNamed(tensors, right).data;
  const { data: origin } = weight;
  const columns = shape[1] ?? 0;
  const data = new Float32Array(origin.length);
  const row = new Float64Array(width);
  for (let i = 0; i < out; i++) {
    row.set(origin.subarray(i * width, (i + 1) * width));
    for (let j = 0; j < columns; j++) {
      const factor = lambdas[Math.floor(j / rank)]! * u[i * columns + j]!;
      if (factor === 0) continue;
      for (let c = 0; c < width; c++) row[c]! += factor * v[j * width + c]!;
    }
    data.set(row, i * width);
  }
  return { shape: weight.shape, data };
}
