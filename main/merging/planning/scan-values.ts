/** Checks that read weights, for who asks for them: values that are no numbers, and how far experts are. */
import { findNonFinite } from '../../checkpoints/half.ts';
import { throwIfCancelled } from '../../lib/errors.ts';
import type { MergedTensorPlan, MergePlan, TensorSource } from '../plan.ts';
import { finding, type Finding } from './findings.ts';

export interface ScanOptions {
  readonly signal?: AbortSignal | undefined;
  /** After each tensor. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

function sourcesOf({ base, experts }: MergedTensorPlan): readonly TensorSource[] {
  return base === undefined ? experts : [base, ...experts];
}

function mergedTensors({ tensors }: MergePlan): readonly MergedTensorPlan[] {
  return tensors.filter((tensor) => tensor.kind === 'merge');
}

/** Reads every value that is merged; NaN and infinite ones become a finding for each model. */
export async function scanNonFinite(plan: MergePlan, options: ScanOptions): Promise<Finding[]> {
  const wanted = new Map<string, TensorSource>();
  for (const source of mergedTensors(plan).flatMap(sourcesOf)) {
    wanted.set(`${source.checkpoint} ${source.tensor}`, source);
  }
  const bad = new Map<number, { tensors: string[]; count: number }>();
  let done = 0;
  for (const { checkpoint, tensor } of wanted.values()) {
    throwIfCancelled(options.signal);
    const { data } = await plan.checkpoints[checkpoint]!.read(tensor);
    const { count } = findNonFinite(data);
    if (count > 0) {
      const row = bad.get(checkpoint) ?? { tensors: [], count: 0 };
      bad.set(checkpoint, { tensors: [...row.tensors, tensor], count: row.count + count });
    }
    options.onProgress?.(++done, wanted.size);
  }
  return [...bad].map(([checkpoint, { tensors, count }]) => {
    const path = plan.checkpoints[checkpoint]?.path ?? '';
    const what = `${path} has ${count} NaN or infinite values; leave the model out or fetch it again`;
    return finding('non_finite', what, { tensors });
  });
}

const sampleCount = 8;
/** Fine-tuning moves weights by a few hundredths of their norm; another base is about as far as 1. */
const farShare = 0.5;

/** Compares a few of the larger tensors with those of the base. */
export async function sampleDistances(plan: MergePlan, options: ScanOptions): Promise<Finding[]> {
  const matrices = mergedTensors(plan).filter(
    ({ base, shape }) => base !== undefined && shape.length > 1,
  );
  const step = Math.max(1, Math.floor(matrices.length / sampleCount));
  const sample = matrices.filter((_, index) => index % step === 0).slice(0, sampleCount);
  const sums = new Map<number, { moved: number; origin: number }>();
  for (const [index, { base, experts }] of sample.entries()) {
    throwIfCancelled(options.signal);
    const origin = (await plan.checkpoints[base!.checkpoint]!.read(base!.tensor)).data;
    for (const { checkpoint, tensor } of experts) {
      const { data } = await plan.checkpoints[checkpoint]!.read(tensor);
      const sum = sums.get(checkpoint) ?? { moved: 0, origin: 0 };
      for (const [i, value] of origin.entries()) {
        sum.moved += (data[i]! - value) ** 2;
        sum.origin += value ** 2;
      }
      sums.set(checkpoint, sum);
    }
    options.onProgress?.(index + 1, sample.length);
  }
  return [...sums].flatMap(([checkpoint, { moved, origin }]) => {
    const share = Math.sqrt(moved / (origin || 1));
    if (share < farShare) return [];
    const path = plan.checkpoints[checkpoint]?.path ?? '';
    const what = `${path} is ${share.toPrecision(2)} times the norm of the base away from it (${sample.length} tensors compared); it was probably fine-tuned from another model`;
    return [finding('far_from_base', what)];
  });
}
