/**
 * The recipe of a merge of weights, of any architecture: everything that decides the bytes of the
 * result. mergekit files and flags become one, and its canonical text is kept with the result.
 */
import type { ParameterSettings } from './values.ts';

export const storedTypes = ['keep', 'fp32', 'fp16', 'bf16'] as const;
/** Of the result; `keep`: as the base (or the first expert) has each tensor. */
export type StoredType = (typeof storedTypes)[number];

/** A model, or some of its layers: from the first up to, not including, the second. */
export interface ModelPart {
  /** A path, or `path+adapter`. */
  readonly model: string;
  readonly layers?: readonly [number, number] | undefined;
}

export interface ExpertPart extends ModelPart {
  readonly parameters: ParameterSettings;
}

/** Layers of the result that are merged from the same parts; all parts have as many layers. */
export interface RecipeSlice {
  readonly base?: ModelPart | undefined;
  readonly experts: readonly ExpertPart[];
  readonly parameters: ParameterSettings;
}

export interface MergeRecipe {
  readonly method: string;
  readonly seed: number;
  readonly dtype: StoredType;
  /** Gives config.json and tokenizer too; without a base the first expert does. */
  readonly base?: string | undefined;
  /** One slice without layers merges whole models. */
  readonly slices: readonly RecipeSlice[];
  readonly parameters: ParameterSettings;
  /** As `--fix` takes them. */
  readonly fixes: readonly string[];
  /** The model whose tokenizer files are copied, where it is not the base. */
  readonly tokenizer?: string | undefined;
  /** A Jinja template for the tokenizer's configuration. */
  readonly chatTemplate?: string | undefined;
}
