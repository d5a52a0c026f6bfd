/** Small checkpoints in the shape of a LLaMA and adapters of them, written by the product: the same numbers for the same key. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../main/checkpoints/writer.ts';
import { normalTensor } from './tiny-models.ts';

export interface LlamaShape {
  readonly key: string;
  readonly width?: number;
  readonly layers?: number;
  readonly vocabulary?: number;
}

/** Writes `folder` with config.json and weights in fp32. */
export async function writeLlama(
  folder: string,
  { key, width = 16, layers = 1, vocabulary = 24 }: LlamaShape,
): Promise<void> {
  const inner = 2 * width;
  const shapes: [string, number[]][] = [
    ['model.embed_tokens.weight', [vocabulary, width]],
    ...Array.from({ length: layers }, (_, layer): [string, number[]][] => {
      const of = (name: string) => `model.layers.${layer}.${name}.weight`;
      return [
        ...['q_proj', 'k_proj', 'v_proj', 'o_proj'].map((name): [string, number[]] => [
          of(`self_attn.${name}`),
          [width, width],
        ]),
        [of('mlp.gate_proj'), [inner, width]],
        [of('mlp.up_proj'), [inner, width]],
        [of('mlp.down_proj'), [width, inner]],
        [of('input_layernorm'), [width]],
        [of('post_attention_layernorm'), [width]],
      ];
    }).flat(),
    ['model.norm.weight', [width]],
    ['lm_head.weight', [vocabulary, width]],
  ];
  await mkdir(folder, { recursive: true });
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    shapes.map(([name, shape]) => ({
      name,
      dtype: 'F32',
      shape,
      data: normalTensor(`llama ${key} ${name}`, shape, 0.1).data,
    })),
  );
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: width,
    intermediate_size: inner,
    num_hidden_layers: layers,
    num_attention_heads: 2,
    vocab_size: vocabulary,
    tie_word_embeddings: false,
  };
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
}

/** Writes `folder` with a LoRA adapter of the queries of the first layer, as PEFT saves it. */
export async function writeLoraAdapter(folder: string, key: string, width = 16): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rank = 2;
  const factor = (letter: 'A' | 'B', shape: readonly number[]) => {
    const name = `base_model.model.model.layers.0.self_attn.q_proj.lora_${letter}.weight`;
    const { data } = normalTensor(`adapter ${key} ${name}`, shape, 0.1);
    return { name, dtype: 'F32', shape, data } as const;
  };
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), [
    factor('A', [rank, width]),
    factor('B', [width, rank]),
  ]);
  const config = {
    peft_type: 'LORA',
    r: rank,
    lora_alpha: 4,
    target_modules: ['q_proj'],
    base_model_name_or_path: 'someone/base',
  };
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(config));
}
