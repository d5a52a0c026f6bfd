/** Names and descriptions shared by the writer and the reader of the safetensors folder. */
import { z } from 'zod';
import { splitModules } from '../adaptation/surgery.ts';
import type { Normalisation } from '../data/images.ts';
import type { ModelForm } from '../models/merged-model.ts';
import { formatVisionConfig, type VisionConfig } from '../models/vision-config.ts';
import type { Prepared } from './prepare.ts';

export const weightsFile = 'model.safetensors';
export const configFile = 'config.json';
export const preprocessorFile = 'preprocessor_config.json';
/** Before the kind of a dynamic model; `mergewright_wemoe` is the oldest. */
const dynamicPrefix = 'mergewright_';

/** The kind of a dynamic model; undefined for an ordinary encoder. */
export function kindOf(modelType: string): string | undefined {
  return modelType.startsWith(dynamicPrefix) ? modelType.slice(dynamicPrefix.length) : undefined;
}

/** The dictionary [K, …shape] of an MLP tensor stands beside the tensor it is added to. */
export function storedDictionaryName(tensor: string): string {
  return `${tensor}.task_vectors`;
}

export function headFile(task: string): string {
  return `heads/${task}.safetensors`;
}

/** The modules of Representation Surgery, a pair of tensors for each expert's task. */
export const modulesFile = 'surgery.safetensors';

export function moduleNames(task: string): { readonly down: string; readonly up: string } {
  return { down: `${task}.down.weight`, up: `${task}.up.weight` };
}

const exportDetails = z.object({
  format_version: z.literal(1),
  method: z.object({ id: z.string(), title: z.string() }),
  experts: z.array(z.string()),
  /** Set where each of the experts' tasks has a module of this rank on the features. */
  surgery: z.object({ rank: z.int().positive() }).optional(),
  tasks: z.array(z.object({ id: z.string(), title: z.string(), classes: z.array(z.string()) })),
  recipe_sha256: z.string(),
});

/** The part of config.json that is ours; transformers carries unknown keys along. */
export const exportConfigSchema = z.object({
  model_type: z.string(),
  mergewright: exportDetails,
});

/** The settings of the form stand beside these; forms.ts knows them. */
export const dynamicConfigSchema = z.looseObject({
  model_type: z.string(),
  vision_config: z.unknown(),
});

export const preprocessorSchema = z.object({
  image_mean: z.tuple([z.number(), z.number(), z.number()]),
  image_std: z.tuple([z.number(), z.number(), z.number()]),
});

function details({ source }: Prepared): z.input<typeof exportDetails> {
  return {
    format_version: 1,
    method: { id: source.method.id, title: source.method.title },
    experts: source.experts.map(({ name }) => name),
    ...(source.model.byTask && { surgery: { rank: rankOf(source) } }),
    tasks: source.tasks.map(({ head, title, classNames }) => ({
      id: head.task,
      title,
      classes: [...classNames],
    })),
    recipe_sha256: source.recipe.sha256,
  };
}

function rankOf({ values, experts }: Prepared['source']): number {
  return splitModules(values, experts.length)[0]?.down.shape[0] ?? 0;
}

/** config.json of an ordinary encoder, as transformers reads it. */
export function staticConfig(prepared: Prepared): Record<string, unknown> {
  const config = formatVisionConfig(prepared.source.model.config);
  return { ...config, dtype: 'float32', mergewright: details(prepared) };
}

/** What config.json says in words, by kind. */
const statements: Readonly<Record<string, string>> = {
  wemoe:
    'A CLIP vision encoder whose MLP weights are chosen for every image by routers (WEMoE, arXiv 2402.00433). ' +
    'In block N, with u the output of layer_norm2: λ = mean over tokens of router N applied to u, and ' +
    'W(λ) = W + Σk λk · W.task_vectors[k] for fc1 and fc2, weights and biases.',
  rank_wemoe:
    'A CLIP vision encoder with low-rank experts that routers mix for every image. In block N, with u the output of ' +
    'layer_norm2 (layer_norm1 where `routed` is "block"): λ = mean over tokens of router N applied to u, and a routed ' +
    'layer computes x·Wᵀ + b + Σk λk · (left[:, k·r:(k+1)·r] · right[k·r:(k+1)·r] · x + b.task_vectors[k]) with left and ' +
    'right its `experts.left` and `experts.right` and r their rank for one expert.',
  twin:
    'A CLIP vision encoder that an image passes twice (Twin-Merging, arXiv 2406.15479): h = mean over tokens of what the ' +
    'last block gives with the weights as they stand, scaled to mean 0 and variance 1; w = softmax(router 0 of h); then ' +
    'with every vector and the position embedding plus Σk wk · T.task_vectors[k], and every matrix plus ' +
    'Σk wk · left[:, k·r:(k+1)·r] · right[k·r:(k+1)·r], left and right its `experts.left` and `experts.right`.',
  smile:
    'A CLIP vision encoder whose linear layers give every token its own expert (SMILE, arXiv 2408.10174): with left and ' +
    'right its `experts.left` and `experts.right` of rank r for one expert, pk = right[k·r:(k+1)·r] · x, gk = the length of ' +
    'the first `gate` values of pk, w = softmax(g) over the `top` largest, scaled to sum 1, a layer computes ' +
    'x·Wᵀ + b + Σk wk · (left[:, k·r:(k+1)·r] · pk + b.task_vectors[k]). Routing weights are means over tokens and layers of a block.',
};

const commonStatement =
  'Where `shared_router` is true, router `routers.shared` serves all blocks. A tensor T stored as T.mask and T.values is ' +
  'sparse: bit i of the mask (lowest first) says whether element i, in row-major order, is the next of the values or 0. ' +
  'transformers has no such model; read it with Mergewright, or use its ONNX export.';

/** config.json of a model with routers. */
export function dynamicConfig(prepared: Prepared, form: ModelForm): Record<string, unknown> {
  const { kind, ...settings } = form;
  return {
    model_type: `${dynamicPrefix}${kind}`,
    statement: `${statements[kind] ?? ''} ${commonStatement}`.trim(),
    ...settings,
    reduction: 'per-sample',
    vision_config: formatVisionConfig(prepared.source.model.config),
    mergewright: details(prepared),
  };
}

/** preprocessor_config.json of a CLIPImageProcessor. */
export function preprocessorConfig(
  { imageSize }: VisionConfig,
  { mean, deviation }: Normalisation,
): Record<string, unknown> {
  return {
    image_processor_type: 'CLIPImageProcessor',
    do_convert_rgb: true,
    do_resize: true,
    size: { shortest_edge: imageSize },
    resample: 3,
    do_center_crop: true,
    crop_size: { height: imageSize, width: imageSize },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: deviation,
  };
}
