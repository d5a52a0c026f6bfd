/** What is exported: a merged model with everything a stranger needs to use and to judge it. */
import type { Normalisation } from '../data/images.ts';
import type { Tensor } from '../lib/tensor.ts';
import type { Head } from '../models/head.ts';
import type { MergedModel, Reduction } from '../models/merged-model.ts';

/** A checkpoint that went into the merge. */
export interface ModelOrigin {
  readonly name: string;
  /** sha-256 (hex) of its weights. */
  readonly sha256?: string;
}

export interface ExportedTask {
  /** Its `task` is the task's id. */
  readonly head: Head;
  readonly title: string;
  /** One for each row of the head. */
  readonly classNames: readonly string[];
  /** Measured accuracy of the exported model, in 0..1. */
  readonly accuracy?: number;
  /** Accuracy of the task's own fine-tuned model on the same images, in 0..1. */
  readonly individualAccuracy?: number;
  /** Number of images the accuracies were measured on. */
  readonly images?: number;
  readonly synthetic?: boolean;
  /** Where the data come from and under which licence, in words. */
  readonly licence?: string;
}

/** Place of the expert of a task among all, which are called like their tasks; undefined for an unseen task. */
export function expertOf(experts: readonly string[], task: string): number | undefined {
  const place = experts.indexOf(task);
  return place < 0 ? undefined : place;
}

export function expertNames({ experts }: Pick<ExportSource, 'experts'>): string[] {
  return experts.map(({ name }) => name);
}

export interface ExportSource {
  readonly title: string;
  readonly model: MergedModel;
  /** Trained values of the model's trainables. */
  readonly values: ReadonlyMap<string, Tensor>;
  readonly base: ModelOrigin;
  /** In the order of the dictionary, called like their tasks. */
  readonly experts: readonly ModelOrigin[];
  readonly tasks: readonly ExportedTask[];
  readonly method: {
    readonly id: string;
    readonly title: string;
    readonly parameters: Readonly<Record<string, unknown>>;
  };
  readonly normalisation: Normalisation;
  /** Canonical text of the recipe and its sha-256. */
  readonly recipe: { readonly text: string; readonly sha256: string };
  /** Which unlabelled images the method was adapted on, in words; absent without adaptation. */
  readonly adaptationData?: string;
  /** How routing weights were reduced when the accuracies were measured. */
  readonly measuredWith?: Reduction;
  /** For a static fold: over which images the routing weights were averaged, in words. */
  readonly averagedOver?: string;
  readonly licences?: readonly string[];
}
