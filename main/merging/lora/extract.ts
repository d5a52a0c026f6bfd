/** A LoRA adapter from the difference of two checkpoints: truncated singular values, weight by weight. */
import type { StoredCheckpoint, TensorInfo } from '../../checkpoints/checkpoint.ts';
import { columnRange, scaleColumns, transposed, type Matrix } from '../../engine/linear/matrix.ts';
import type { SingularValues } from '../../engine/linear/singular-values.ts';
import { AppError, throwIfCancelled } from '../../lib/errors.ts';
import type { LinearAlgebra } from '../linear-algebra.ts';
import { isMatrix, taskMatrices } from '../task-matrices.ts';
import type { AdapterToWrite, WrittenFactors } from './write-adapter.ts';

/** A rank for every weight, or the share of the squared norm that must be kept. */
export type ExtractionSize = { readonly rank: number } | { readonly energy: number };

export interface Extraction {
  readonly base: StoredCheckpoint;
  readonly tuned: StoredCheckpoint;
  readonly size: ExtractionSize;
  readonly baseModel: string | undefined;
  /** The checkpoints keep weights of linear layers as [in, out], as GPT-2 does. */
  readonly fanInFanOut: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ExtractedWeight {
  readonly name: string;
  readonly rank: number;
  /** ‖ΔW − B A‖ / ‖ΔW‖ with the factors as written. */
  readonly residual: number;
}

export interface ExtractionReport {
  readonly weights: readonly ExtractedWeight[];
  /** Tensors that differ but that an adapter of this kind cannot hold; their change is lost. */
  readonly lost: readonly string[];
  /** ‖all that is not in the adapter‖ / ‖the whole difference‖. */
  readonly residual: number;
}

/**
 * Weights of linear layers that differ become factors; embeddings, biases and norms are reported. Throws
 * `merge.incompatible` for checkpoints of different shapes or without a difference.
 */
export async function extractAdapter(
  { base, tuned, size, baseModel, fanInFanOut, signal, onProgress }: Extraction,
  linear: LinearAlgebra,
): Promise<{ readonly adapter: AdapterToWrite; readonly report: ExtractionReport }> {
  checkExtraction(base, tuned);
  const pairs: WrittenFactors[] = [];
  const weights: ExtractedWeight[] = [];
  const lost: string[] = [];
  const squares = { whole: 0, missing: 0 };
  const names = [...tuned.tensors.keys()];
  for (const [index, name] of names.entries()) {
    throwIfCancelled(signal);
    const change = await difference(base, tuned, name);
    const square = change.data.reduce((sum, value) => sum + value ** 2, 0);
    squares.whole += square;
    if (square > 0 && change.isLinear) {
      const turned = fanInFanOut ? transposed(change) : change;
      const { factors, missing } = await factorise(turned, size, linear);
      squares.missing += missing;
      const rank = factors.a.rows;
      pairs.push({
        target: name,
        kind: 'weight',
        rank,
        a: { shape: [rank, turned.columns], data: Float32Array.from(factors.a.data) },
        b: { shape: [turned.rows, rank], data: Float32Array.from(factors.b.data) },
      });
      weights.push({ name, rank, residual: Math.sqrt(missing / square) });
    } else if (square > 0) {
      squares.missing += square;
      lost.push(name);
    }
    onProgress?.(index + 1, names.length);
  }
  if (pairs.length === 0) {
    throw new AppError('merge.incompatible', {
      what: 'no weight of a linear layer differs from the base',
      where: tuned.path,
      hint: 'choose a fine-tuned checkpoint and the base it was made from',
    });
  }
  const metadata = new Map([
    ['format', 'pt'],
    ['mergewright', JSON.stringify({ extracted: size })],
  ]);
  return {
    adapter: { pairs, baseModel, fanInFanOut, others: [], modulesToSave: [], metadata },
    report: { weights, lost, residual: Math.sqrt(squares.missing / squares.whole) },
  };
}

/** The weights that an adapter can hold; throws `merge.incompatible` where the base has others. Reads headers alone. */
export function checkExtraction(
  base: StoredCheckpoint,
  tuned: StoredCheckpoint,
): readonly TensorInfo[] {
  for (const { name, shape } of tuned.tensors.values()) {
    const origin = base.tensors.get(name);
    if (origin?.shape.join() === shape.join()) continue;
    throw new AppError('merge.incompatible', {
      what:
        origin === undefined
          ? 'the base has no such tensor'
          : `the base has the shape [${origin.shape.join(', ')}], not [${shape.join(', ')}]`,
      where: `tensor "${name}" of ${tuned.path}`,
      hint: 'choose the base the checkpoint was made from',
    });
  }
  return [...tuned.tensors.values()].filter(isLinear);
}

/** PEFT names the module a weight belongs to. */
function isLinear({ name, shape }: Pick<TensorInfo, 'name' | 'shape'>): boolean {
  return isMatrix({ name, shape }, 'average') && name.endsWith('.weight');
}

interface Change extends Matrix {
  readonly isLinear: boolean;
}

async function difference(
  base: StoredCheckpoint,
  tuned: StoredCheckpoint,
  name: string,
): Promise<Change> {
  const shape = tuned.tensors.get(name)?.shape ?? [];
  const [from, to] = [await base.read(name), await tuned.read(name)];
  const group = { name, shape, offset: 0, base: from.data, experts: [to.data] };
  const [matrix] = taskMatrices(group) as [Matrix];
  return { ...matrix, isLinear: isLinear(group) };
}

/** B = U √Σ and A = √Σ Vᵀ, in fp32, and ‖ΔW − B A‖² of these. */
async function factorise(
  change: Matrix,
  size: ExtractionSize,
  linear: LinearAlgebra,
): Promise<{
  readonly factors: { readonly a: Matrix; readonly b: Matrix };
  readonly missing: number;
}> {
  const { u, sigma, v } = await truncated(change, size, linear);
  const roots = sigma.map(Math.sqrt);
  const b = rounded(scaleColumns(u, roots));
  const a = rounded(transposed(scaleColumns(v, roots)));
  const product = await linear.multiply(b, a);
  let missing = 0;
  for (let i = 0; i < change.data.length; i++) missing += (change.data[i]! - product.data[i]!) ** 2;
  return { factors: { a, b }, missing };
}

async function truncated(
  change: Matrix,
  size: ExtractionSize,
  linear: LinearAlgebra,
): Promise<SingularValues> {
  const most = Math.min(change.rows, change.columns);
  if ('rank' in size) return linear.leading(change, Math.min(size.rank, most));
  const { u, sigma, v } = await linear.svd(change);
  const whole = sigma.reduce((sum, value) => sum + value ** 2, 0);
  let kept = 0;
  let rank = 0;
  while (rank < most && kept < size.energy * whole) kept += sigma[rank++]! ** 2;
  rank = Math.max(rank, 1);
  return {
    u: columnRange(u, 0, rank),
    sigma: sigma.slice(0, rank),
    v: columnRange(v, 0, rank),
  };
}

function rounded(matrix: Matrix): Matrix {
  return { ...matrix, data: matrix.data.map(Math.fround) };
}
