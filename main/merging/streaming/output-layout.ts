/**
 * The weight files of a result: shards as Hugging Face names and fills them, their headers, and which
 * piece lies where. All of it is known before a value is read.
 */
import type { DType } from '../../checkpoints/dtype.ts';
import { bitsPerElement } from '../../checkpoints/dtype.ts';
import { layoutSafetensors, type SafetensorsLayout } from '../../checkpoints/writer.ts';
import { elementCount } from '../../lib/tensor.ts';
import type { MergePlan, TensorPlan } from '../plan.ts';
import { piecesOf, type Range } from './pieces.ts';

interface OutputTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly plan: TensorPlan;
}

/** A part of a tensor of the result, in the order of the bytes of its file. */
export interface Piece {
  readonly plan: TensorPlan;
  readonly shape: readonly number[];
  /** In values; in bytes for tensors that are copied. */
  readonly range: Range;
  readonly shard: number;
  /** Of its first byte in the file. */
  readonly position: number;
  readonly bytes: number;
}

export interface Shard {
  readonly name: string;
  readonly tensors: readonly OutputTensor[];
  readonly byteLength: number;
  readonly headerBytes: number;
}

export interface OutputLayout {
  readonly shards: readonly Shard[];
  /** Shard by shard, from the first byte to the last. */
  readonly pieces: readonly Piece[];
  /** Bytes of all tensors, without headers. */
  readonly totalBytes: number;
}

/** Bytes of a tensor that is copied, in one piece. */
const COPIED_PIECE_BYTES = 16 * 1024 * 1024;

const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

/** `metadata` as the header will hold it; only the lengths of its texts matter here. */
export function layOutput(
  plan: MergePlan,
  shardBytes: number,
  metadata: ReadonlyMap<string, string>,
): OutputLayout {
  const filled = fillShards(plan, shardBytes);
  const shards: Shard[] = [];
  const pieces: Piece[] = [];
  for (const [index, tensors] of filled.entries()) {
    const name = shardName(index, filled.length);
    const layout = layoutSafetensors(name, tensors, metadata);
    const headerBytes = layout.prefixAndHeader.byteLength;
    shards.push({ name, tensors, byteLength: layout.byteLength, headerBytes });
    for (const piece of piecesOfShard(plan, layout, index)) pieces.push(piece);
  }
  const totalBytes = shards.reduce((sum, shard) => sum + shard.byteLength - shard.headerBytes, 0);
  return { shards, pieces, totalBytes };
}

function shardName(index: number, count: number): string {
  if (count === 1) return SINGLE_FILE;
  const number = (value: number) => String(value).padStart(5, '0');
  return `model-${number(index + 1)}-of-${number(count)}.safetensors`;
}

/** In the order of the plan; a tensor larger than a shard has one to itself. */
function fillShards(plan: MergePlan, shardBytes: number): OutputTensor[][] {
  let current: OutputTensor[] = [];
  let size = 0;
  const shards = [current];
  for (const tensor of plan.tensors) {
    const output = outputOf(plan, tensor);
    const bytes = (elementCount(output.shape) * bitsPerElement(output.dtype)) / 8;
    if (current.length > 0 && size + bytes > shardBytes) {
      current = [];
      size = 0;
      shards.push(current);
    }
    current.push(output);
    size += bytes;
  }
  return shards;
}

function outputOf(plan: MergePlan, tensor: TensorPlan): OutputTensor {
  const { name } = tensor;
  if (tensor.kind !== 'copy')
    return { name, dtype: tensor.dtype, shape: tensor.shape, plan: tensor };
  const { checkpoint, tensor: source } = tensor.from;
  const info = plan.checkpoints[checkpoint]?.tensors.get(source);
  if (info === undefined) throw new Error(`the plan copies "${source}", which is not there`);
  return { name, dtype: info.dtype, shape: info.shape, plan: tensor };
}

function* piecesOfShard(
  plan: MergePlan,
  layout: SafetensorsLayout<OutputTensor>,
  shard: number,
): Generator<Piece> {
  for (const { tensor, begin, end } of layout.tensors) {
    const { shape } = tensor;
    const copied = tensor.plan.kind === 'copy';
    const width = copied ? 1 : bitsPerElement(tensor.dtype) / 8;
    const unit = tensor.plan.kind === 'merge' ? plan.method.unit : 'value';
    const ranges = copied ? byteRanges(end - begin) : piecesOf(unit, shape);
    for (const range of ranges) {
      const position = begin + range.begin * width;
      const bytes = (range.end - range.begin) * width;
      yield { plan: tensor.plan, shape, range, shard, position, bytes };
    }
  }
}

function byteRanges(bytes: number): Range[] {
  const count = Math.ceil(bytes / COPIED_PIECE_BYTES);
  return Array.from({ length: count }, (_, index) => ({
    begin: index * COPIED_PIECE_BYTES,
    end: Math.min((index + 1) * COPIED_PIECE_BYTES, bytes),
  }));
}

/** The index that tells in which shard each tensor is, as text. */
export function shardIndex({ shards, totalBytes }: OutputLayout): string {
  // Written by hand: an object would put names that look like numbers first.
  const members = shards.flatMap(({ name, tensors }) =>
    tensors.map((tensor) => `    ${JSON.stringify(tensor.name)}: ${JSON.stringify(name)}`),
  );
  const metadata = `  "metadata": {\n    "total_size": ${totalBytes}\n  }`;
  return `{\n${metadata},\n  "weight_map": {\n${members.join(',\n')}\n  }\n}\n`;
}
