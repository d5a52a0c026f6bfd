/** Says what kind of model a checkpoint holds, by its config.json or by the names of its tensors. */
import type { Checkpoint } from './checkpoint.ts';
import { shown } from './fail.ts';

export interface ModelKind {
  /** In a person's words. */
  readonly name: string;
  readonly from: 'config.json' | 'tensor names';
}

/** Names that only one family of models has. The first row that fits counts. */
const families: readonly (readonly [pattern: RegExp, family: string])[] = [
  [/\.lora_(?:A|embedding_A)\b/, 'LoRA adapter'],
  [/(?:^|\.)vision_model\.encoder\.layers\.\d+\.self_attn/, 'CLIP (Hugging Face names)'],
  [/(?:^|\.)visual\.transformer\.resblocks\.\d+\./, 'CLIP (OpenCLIP names)'],
  [/^model\.diffusion_model\./, 'Stable Diffusion (original names)'],
  [/^down_blocks\.\d+\./, 'diffusion U-Net (diffusers names)'],
  [/(?:^|\.)layers\.\d+\.block_sparse_moe\./, 'Mixtral-like mixture of experts'],
  [/(?:^|\.)layers\.\d+\.mlp\.gate_proj\./, 'LLaMA-like language model'],
  [/(?:^|\.)h\.\d+\.attn\.c_attn\./, 'GPT-2'],
  [/(?:^|\.)gpt_neox\.layers\.\d+\./, 'GPT-NeoX'],
  [/(?:^|\.)encoder\.block\.\d+\.layer\.\d+\./, 'T5'],
  [/(?:^|\.)encoder\.layers?\.\d+\.attention\.self\.query\./, 'BERT-like encoder'],
  [/(?:^|\.)encoder\.layer\.\d+\.attention\.attention\.query\./, 'ViT (Hugging Face names)'],
  [/(?:^|\.)blocks\.\d+\.attn\.qkv\./, 'ViT (timm names)'],
  [/(?:^|\.)layer1\.0\.conv1\.weight$/, 'ResNet'],
];

function textAt(config: object, key: string): string | undefined {
  const value = (config as Readonly<Record<string, unknown>>)[key];
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' && first !== '' ? shown(first) : undefined;
}

/** The kind of model; undefined when neither config.json nor the names tell. */
export function modelKind({ config, tensors }: Checkpoint): ModelKind | undefined {
  if (typeof config === 'object' && config !== null) {
    const [type, model] = [textAt(config, 'model_type'), textAt(config, 'architectures')];
    const name = type !== undefined && model !== undefined ? `${model} (${type})` : (model ?? type);
    if (name !== undefined) return { name, from: 'config.json' };
  }
  const names = [...tensors.keys()];
  const row = families.find(([pattern]) => names.some((name) => pattern.test(name)));
  return row === undefined ? undefined : { name: row[1], from: 'tensor names' };
}
