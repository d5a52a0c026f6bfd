/** The YAML that mergekit reads, as far as it is known here; what is not supported is refused by name. */
import { z } from 'zod';
import { settingsSchema } from './values.ts';

const modelPath = z.union(
  [
    z.string().min(1).max(4096),
    z
      .strictObject({ path: z.string().min(1), revision: z.string().nullish() })
      .transform(({ path, revision }) => (revision ? `${path}@${revision}` : path)),
  ],
  { error: 'a path, or a group with "path"' },
);

/** A model as text: `path`, or `path+adapter`. */
const modelReference = z.union(
  [
    z.string().min(1).max(8192),
    z
      .strictObject({
        model: modelPath,
        lora: modelPath.nullish(),
        override_architecture: z
          .unknown()
          .refine((value) => value === null, {
            error: 'left out: names and shapes of tensors say what a model is',
          })
          .optional(),
      })
      .transform(({ model, lora }) => (lora ? `${model}+${lora}` : model)),
  ],
  { error: 'a path, "path+adapter", or a group with "model" and "lora"' },
);

const layerRange = z.tuple([z.int().min(0), z.int().min(1)], {
  error: 'two whole numbers: the first layer, and the one after the last',
});

const input = z.strictObject({ model: modelReference, parameters: settingsSchema });
const sliceInput = input.extend({ layer_range: layerRange });

const outputSlice = z.strictObject({
  sources: z.array(sliceInput).min(1),
  base_model: modelReference.nullish(),
  residual_weight: z.unknown().optional(),
  parameters: settingsSchema,
});

const tokenizer = z.strictObject({
  source: modelReference.nullish(),
  tokens: z.unknown().optional(),
  pad_to_multiple_of: z.unknown().optional(),
});

const dtype = z
  .enum(['float32', 'float16', 'bfloat16', 'fp32', 'fp16', 'bf16'])
  .transform((name) => dtypes[name]);
const dtypes = {
  float32: 'fp32',
  float16: 'fp16',
  bfloat16: 'bf16',
  fp32: 'fp32',
  fp16: 'fp16',
  bf16: 'bf16',
} as const;

export const mergekitSchema = z.strictObject({
  merge_method: z.string().min(1),
  base_model: modelReference.nullish(),
  models: z.array(input).min(1).nullish(),
  slices: z.array(outputSlice).min(1).nullish(),
  modules: z.unknown().optional(),
  parameters: settingsSchema,
  dtype: dtype.nullish(),
  out_dtype: dtype.nullish(),
  tokenizer_source: modelReference.nullish(),
  tokenizer: tokenizer.nullish(),
  chat_template: z.string().min(1).nullish(),
});

export type MergekitFile = z.output<typeof mergekitSchema>;
export type MergekitInput = z.output<typeof input> & {
  readonly layer_range?: readonly [number, number];
};
