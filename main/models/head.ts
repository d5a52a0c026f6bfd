/** Frozen classification heads: what CLIP's text embeddings are to its vision encoder. */
import type { Checkpoint } from '../checkpoints/checkpoint.ts';
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/program.ts';
import { AppError } from '../lib/errors.ts';
import type { Tensor } from '../lib/tensor.ts';

/** Logits of features v: W·v/‖v‖ with the rows of W scaled by the logit scale. */
export interface Head {
  readonly task: string;
  /** [classes, e]; the logit scale is multiplied in. */
  readonly weight: Tensor;
}

/**
 * Class count of a head by its shape alone; `features` is what the encoder gives, where that is known.
 * Throws `model.tensor_missing` or `model.shape_mismatch`.
 */
export function headClasses(
  checkpoint: Checkpoint,
  task: string,
  features: number | undefined,
): number {
  const where = checkpoint.path;
  const info = checkpoint.tensors.get('weight');
  if (info === undefined) {
    throw new AppError('model.tensor_missing', {
      what: `the head of task "${task}" has no tensor "weight"`,
      where,
      hint: 'a head is a safetensors file with "weight" [classes, features]',
    });
  }
  const [classes = 0, width] = info.shape;
  if (info.shape.length !== 2 || (features !== undefined && width !== features)) {
    throw new AppError('model.shape_mismatch', {
      what: `the head of task "${task}" has shape [${info.shape.join(', ')}], not [classes, ${String(features ?? 'features')}]`,
      where,
      hint: 'use the head that was made for this base model',
    });
  }
  return classes;
}

/**
 * A head from a checkpoint with `weight` [C, e] and, optionally, `logit_scale` (its logarithm, as in
 * CLIP). Throws `model.tensor_missing` or `model.shape_mismatch`.
 */
export async function loadHead(
  checkpoint: Checkpoint,
  task: string,
  features: number,
): Promise<Head> {
  headClasses(checkpoint, task, features);
  const weight = await checkpoint.read('weight');
  const scaled = checkpoint.tensors.has('logit_scale');
  const logitScale = scaled ? ((await checkpoint.read('logit_scale')).data[0] ?? 0) : 0;
  return scaledHead(task, { weight, logitScale });
}

/** The head of `task` from rows of length 1 and the logarithm of their scale, as CLIP's text encoder gives them. */
export function scaledHead(
  task: string,
  { weight, logitScale }: { readonly weight: Tensor; readonly logitScale: number },
): Head {
  const scale = Math.exp(logitScale);
  return { task, weight: { shape: weight.shape, data: weight.data.map((x) => x * scale) } };
}

/** Features [B, e] divided by their length, as in CLIP. */
export function normalise(g: Builder, features: Value): Value {
  const squares = g.sum(g.mul(features, features), [1], true);
  return g.div(features, g.unary('sqrt', squares));
}

/** Logits [n, C] of features [n, e], row-major. */
export function logits({ weight }: Head, features: Tensor): Float32Array {
  const [classes = 0, width = 0] = weight.shape;
  const count = features.shape[0] ?? 0;
  const result = new Float32Array(count * classes);
  for (let i = 0; i < count; i++) {
    const row = features.data.subarray(i * width, (i + 1) * width);
    let squares = 0;
    for (const x of row) squares += x * x;
    const norm = Math.sqrt(squares);
    for (let c = 0; c < classes; c++) {
      let total = 0;
      const start = c * width;
      for (let j = 0; j < width; j++) total += (row[j] ?? 0) * (weight.data[start + j] ?? 0);
      result[i * classes + c] = total / norm;
    }
  }
  return result;
}

/** Added to the logits of classes a task does not have, when heads of different sizes are stacked. */
const absentClass = -1e9;

/**
 * Heads of T tasks stacked to [T, C, e] for C `classes`, at least the largest class count, and the mask [T, 1, C] that gives
 * absent classes probability 0 (so they add nothing to an entropy, and get no gradient).
 */
export function stackHeads(
  heads: readonly Head[],
  classes: number,
): { weights: Tensor; mask: Tensor } {
  const width = heads[0]?.weight.shape[1] ?? 0;
  const weights = new Float32Array(heads.length * classes * width);
  const mask = new Float32Array(heads.length * classes).fill(absentClass);
  heads.forEach(({ weight }, task) => {
    weights.set(weight.data, task * classes * width);
    mask.fill(0, task * classes, task * classes + (weight.shape[0] ?? 0));
  });
  return {
    weights: { shape: [heads.length, classes, width], data: weights },
    mask: { shape: [heads.length, 1, classes], data: mask },
  };
}
