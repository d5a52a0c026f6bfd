/**
 * A merge laid out before a value is read: which tensor of the result comes from which tensors of which
 * checkpoints, by which method with which parameters. Recipes, mergekit files and flags become a plan;
 * pre-flight checks it, the executor carries it out.
 */
import type { StoredCheckpoint } from '../checkpoints/checkpoint.ts';
import type { OutputDType } from '../checkpoints/writer.ts';
import type { Method } from './method.ts';
import type { MethodSettings } from './settings.ts';

/** One tensor of one of the plan's checkpoints. */
export interface TensorSource {
  /** Index into `MergePlan.checkpoints`. */
  readonly checkpoint: number;
  readonly tensor: string;
}

/** Merged in fp32 and rounded once to `dtype`. */
export interface MergedTensorPlan {
  readonly kind: 'merge';
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: OutputDType;
  /** Undefined where there is no base: it counts as zeros. */
  readonly base: TensorSource | undefined;
  readonly experts: readonly TensorSource[];
  /** For this tensor: weights may differ by depth and name. */
  readonly settings: MethodSettings;
}

/** Stored bytes taken over as they are: integers, and what no method applies to. */
export interface CopiedTensorPlan {
  readonly kind: 'copy';
  readonly name: string;
  readonly from: TensorSource;
}

/** Values taken over from one checkpoint and rounded once to `dtype`. */
export interface CastTensorPlan {
  readonly kind: 'cast';
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: OutputDType;
  readonly from: TensorSource;
}

export type TensorPlan = MergedTensorPlan | CopiedTensorPlan | CastTensorPlan;

/** A file of the result beside its weights: config.json, tokenizer files, what the model came with. */
export type CompanionFile =
  | { readonly kind: 'text'; readonly name: string; readonly text: string }
  /** `from` is an absolute path. */
  | { readonly kind: 'copy'; readonly name: string; readonly from: string };

export interface MergePlan {
  readonly checkpoints: readonly StoredCheckpoint[];
  readonly method: Method;
  /** Of the whole merge, for the passes that see all tensors. */
  readonly settings: MethodSettings;
  readonly seed: number;
  /** In the order of the result. */
  readonly tensors: readonly TensorPlan[];
  readonly companions: readonly CompanionFile[];
  /** The canonical YAML text of what was asked for; run again it gives the same bytes. */
  readonly recipe: string;
}
