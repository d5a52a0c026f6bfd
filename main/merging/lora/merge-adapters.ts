/** Several LoRA adapters of one base model become one. */
import type { Adapter, AdapterPair } from '../../checkpoints/adapter.ts';
import type { TensorToWrite } from '../../checkpoints/writer.ts';
import type { Matrix } from '../../engine/linear/matrix.ts';
import { throwIfCancelled } from '../../lib/errors.ts';
import type { Tensor } from '../../lib/tensor.ts';
import type { LinearAlgebra } from '../linear-algebra.ts';
import { checkAdapters } from './check-adapters.ts';
import {
  combineFactors,
  type CombinationId,
  type CombineOptions,
  type Contribution,
} from './combine.ts';
import type { AdapterToWrite, WrittenFactors } from './write-adapter.ts';

export interface AdapterMerge {
  readonly kind: CombinationId;
  readonly adapters: readonly Adapter[];
  /** One for each adapter. */
  readonly weights: readonly number[];
  readonly options: Omit<CombineOptions, 'key'>;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Merges the change of every weight that any adapter has; an adapter without one adds nothing there. Throws
 * `adapter.mismatch` for adapters that do not fit each other, and what the readers throw.
 */
export async function mergeAdapters(
  { kind, adapters, weights, options, seed, signal, onProgress }: AdapterMerge,
  linear: LinearAlgebra,
): Promise<AdapterToWrite> {
  const [first] = adapters;
  if (first === undefined) throw new Error('no adapters to merge');
  const targets = checkAdapters({ kind, adapters, weights, rank: options.rank }).map(
    ({ target }) => target,
  );
  const pairs: WrittenFactors[] = [];
  for (const [index, target] of targets.entries()) {
    throwIfCancelled(signal);
    const key = [seed, target, kind];
    pairs.push(await mergeTarget(target, { kind, adapters, weights, options, key }, linear));
    onProgress?.(index + 1, targets.length);
  }
  return {
    pairs,
    fanInFanOut: first.config.fanInFanOut,
    baseModel: first.config.baseModel,
    others: await replacementsOf(adapters),
    modulesToSave: [...new Set(adapters.flatMap(({ config }) => config.modulesToSave))],
    metadata: new Map([
      ['format', 'pt'],
      ['mergewright', JSON.stringify({ adapters: adapters.length, kind, weights, seed, options })],
    ]),
  };
}

interface TargetMerge extends Pick<AdapterMerge, 'kind' | 'adapters' | 'weights' | 'options'> {
  readonly key: readonly (string | number)[];
}

async function mergeTarget(
  target: string,
  { kind, adapters, weights, options, key }: TargetMerge,
  linear: LinearAlgebra,
): Promise<WrittenFactors> {
  const parts: Contribution[] = [];
  let leader: { pair: AdapterPair; a: Tensor; b: Tensor } | undefined;
  for (const [index, adapter] of adapters.entries()) {
    const pair = adapter.pairs.get(target);
    if (pair === undefined) continue;
    const [a, b] = [await adapter.weights.read(pair.a), await adapter.weights.read(pair.b)];
    leader ??= { pair, a, b };
    parts.push({ ...factorsOf(a, b), scaling: pair.scaling, weight: weights[index] ?? 1 });
  }
  if (leader === undefined) throw new Error(`no adapter changes ${target}`);
  // As in PEFT: with a single adapter there is nothing to elect or to align.
  const only = adapters.length === 1 && kind !== 'cat' && options.rank === undefined;
  const used = only ? 'linear' : kind;
  const { a, b } = await combineFactors(used, parts, { ...options, key }, linear);
  return {
    target,
    kind: leader.pair.kind,
    rank: a.rows,
    a: { shape: [a.rows, ...leader.a.shape.slice(1)], data: Float32Array.from(a.data) },
    b: {
      shape: [b.rows, a.rows, ...leader.b.shape.slice(2)],
      data: Float32Array.from(b.data),
    },
  };
}

function factorsOf(a: Tensor, b: Tensor): { readonly a: Matrix; readonly b: Matrix } {
  const asMatrix = ({ shape, data }: Tensor): Matrix => {
    const [rows = 0] = shape;
    return { rows, columns: data.length / rows, data: Float64Array.from(data) };
  };
  return { a: asMatrix(a), b: asMatrix(b) };
}

/** Tensors stored in full go over as they are. */
async function replacementsOf(adapters: readonly Adapter[]): Promise<TensorToWrite[]> {
  const written: TensorToWrite[] = [];
  for (const adapter of adapters) {
    for (const name of adapter.replacements.values()) {
      const { shape, data } = await adapter.weights.read(name);
      written.push({ name, dtype: 'F32', shape, data });
    }
  }
  return written;
}
