/** How large a merged model is, known from shapes alone: what estimates and reports count. */
import type { Shape } from '../graph/program.ts';
import { elementCount } from '../lib/tensor.ts';

export interface ModelSizes {
  /** Numbers that are learned. */
  readonly trainable: number;
  /** Numbers of the finished model that are not zero by construction: its parameter count. */
  readonly total: number;
  /** Values of one task vector in the dictionary that weights are merged from; 0 without such merges. */
  readonly dictionary: number;
  /** Of the task vectors of all experts, values that pruning left. */
  readonly kept: number;
  /** Values of the low-rank factors that inputs are multiplied with, beside the encoder's weights. */
  readonly factors: number;
  /** How often an image passes the encoder. */
  readonly passes: number;
  /** Whether nothing before the features learns, so that every image is encoded once for all steps. */
  readonly frozen?: true;
}

/** Values of all tensors. */
export function sumOf(shapes: ReadonlyMap<string, Shape>): number {
  let sum = 0;
  for (const shape of shapes.values()) sum += elementCount(shape);
  return sum;
}
